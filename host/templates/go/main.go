// A web application: each request in an instance of its own.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
)

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Hello from {name}")
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})
	return mux
}

func main() {
	if err := cgi.Serve(routes()); err != nil {
		log.Fatal(err)
	}
}
