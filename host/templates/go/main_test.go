package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(method, path, body string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	routes().ServeHTTP(answer, httptest.NewRequest(method, path, strings.NewReader(body)))
	return answer
}

func TestSaysHello(t *testing.T) {
	if text := ask("GET", "/", "").Body.String(); text != "Hello from {name}\n" {
		t.Errorf("it says %q", text)
	}
}

func TestEchoes(t *testing.T) {
	if text := ask("POST", "/echo", "hi").Body.String(); text != "hi" {
		t.Errorf("it says %q", text)
	}
}

func TestKnowsNoOtherPage(t *testing.T) {
	if status := ask("GET", "/x", "").Code; status != 404 {
		t.Errorf("the status is %d", status)
	}
}
