/* A web application: each request in an instance of its own. A CGI program: the
 * request is environment and standard input, the answer is standard output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int is(const char *method, const char *path) {
    return !strcmp(param("REQUEST_METHOD"), method) && !strcmp(param("PATH_INFO"), path);
}

int main(void) {
    if (is("GET", "/")) {
        printf("Content-Type: text/plain\r\n\r\nHello from {name}\n");
    } else if (is("POST", "/echo")) {
        char piece[4096];
        size_t length;
        printf("Content-Type: text/plain\r\n\r\n");
        while ((length = fread(piece, 1, sizeof piece, stdin)) > 0)
            fwrite(piece, 1, length, stdout);
    } else {
        printf("Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nnot found\n");
    }
    return 0;
}
