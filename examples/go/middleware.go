package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"runtime/debug"
)

// recovering answers 500 where a handler panics. net/http/cgi, unlike Go's own
// server, does not: the program would end with the status 2, and the visitor
// would get a bare 502.
func recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if reason := recover(); reason != nil {
				log.Printf("%s %s: %v\n%s", r.Method, r.URL.Path, reason, debug.Stack())
				http.Error(w, "Something went wrong", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// withWholeBody gives a handler the body of a request without a length, as
// chunked uploads are when the web server passes them on as they come.
// net/http/cgi takes such a request for one without a body.
func withWholeBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("CONTENT_LENGTH") == "" {
			r.ContentLength = -1
			r.Body = io.NopCloser(os.Stdin)
		}
		next.ServeHTTP(w, r)
	})
}
