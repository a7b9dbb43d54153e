module staffa/bench/context

go 1.22
