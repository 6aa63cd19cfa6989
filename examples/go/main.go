// A small web application in ordinary Go: net/http behind net/http/cgi.
package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"strconv"
	"time"
)

//go:embed templates
var templateFiles embed.FS

var page = template.Must(template.ParseFS(templateFiles, "templates/page.html"))

func main() {
	// The web server's error log has the time and more.
	log.SetFlags(0)
	if err := cgi.Serve(recovering(withWholeBody(routes()))); err != nil {
		log.Fatal(err)
	}
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", home)
	mux.HandleFunc("POST /greet", greet)
	mux.HandleFunc("POST /files", files)
	mux.HandleFunc("POST /api/sum", sum)
	mux.HandleFunc("POST /upload", upload)
	mux.HandleFunc("GET /stream", stream)
	mux.HandleFunc("GET /slow", slow)
	mux.HandleFunc("GET /count", count)
	mux.HandleFunc("GET /who", who)
	mux.HandleFunc("GET /fail", fail)
	return mux
}

func home(w http.ResponseWriter, r *http.Request) {
	visits := 1
	if cookie, err := r.Cookie("visits"); err == nil {
		if before, err := strconv.Atoi(cookie.Value); err == nil {
			visits = before + 1
		}
	}
	name := ""
	if cookie, err := r.Cookie("name"); err == nil {
		name = cookie.Value
	}
	setCookie(w, "visits", strconv.Itoa(visits))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	err := page.Execute(w, map[string]any{"Title": "Guest book", "Name": name, "Visits": visits})
	if err != nil {
		log.Printf("the page: %v", err)
	}
}

func greet(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	if name == "" {
		http.Error(w, "a name is needed", http.StatusUnprocessableEntity)
		return
	}
	setCookie(w, "name", name)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func setCookie(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// files says what was uploaded with a form. The parts are read one after the
// other: ParseMultipartForm would put large ones into files, and there is no
// folder for those.
func files(w http.ResponseWriter, r *http.Request) {
	parts, err := r.MultipartReader()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		size, err := io.Copy(io.Discard, part)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%s: %d bytes\n", part.FileName(), size)
	}
}

func sum(w http.ResponseWriter, r *http.Request) {
	var question struct {
		Numbers []float64 `json:"numbers"`
	}
	if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]any{"error": err.Error()})
		return
	}
	total := 0.0
	for _, number := range question.Numbers {
		total += number
	}
	answer(w, map[string]any{"sum": total})
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Printf("an answer: %v", err)
	}
}

// upload reads as it comes, however large it is.
func upload(w http.ResponseWriter, r *http.Request) {
	size, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%d bytes\n", size)
}

func stream(w http.ResponseWriter, r *http.Request) {
	lines(w, 0)
}

func slow(w http.ResponseWriter, r *http.Request) {
	lines(w, 200*time.Millisecond)
}

// lines shows each line as soon as it is written: Flush sends it on.
func lines(w http.ResponseWriter, pause time.Duration) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for number := 1; number <= 5; number++ {
		fmt.Fprintf(w, "line %d\n", number)
		if err := http.NewResponseController(w).Flush(); err != nil {
			log.Printf("a stream: %v", err)
		}
		time.Sleep(pause)
	}
}

var counted int

// count always answers 1: each request has an instance of its own.
func count(w http.ResponseWriter, r *http.Request) {
	counted++
	fmt.Fprintln(w, counted)
}

// who answers with what only the web server knows: CGI's variables are the
// environment.
func who(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "addr=%s script=%s\n", os.Getenv("REMOTE_ADDR"), os.Getenv("SCRIPT_NAME"))
}

func fail(w http.ResponseWriter, r *http.Request) {
	panic("this page fails on purpose")
}
