// Go's net/http with the constant answer of bench/src/serve/constant.rs: `main PORT`.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
)

type greeting struct {
	Message string `json:"message"`
}

func main() {
	http.HandleFunc("GET /greeting", greet)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

func greet(w http.ResponseWriter, _ *http.Request) {
	body, err := json.Marshal(greeting{Message: "Hello, World!"})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}
