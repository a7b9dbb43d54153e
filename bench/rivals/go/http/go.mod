module staffa/bench/http

go 1.22
