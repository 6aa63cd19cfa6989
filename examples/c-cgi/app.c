/* A CGI program in C (RFC 3875): the request is environment and standard input,
 * the answer is standard output, and what is said on standard error is logged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count = 0;

static const char *param(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static void begin(const char *type) {
    printf("Content-Type: %s\r\n\r\n", type);
}

static void hello(void) {
    begin("text/html; charset=utf-8");
    printf("<!doctype html><title>C</title><h1>Hello from C</h1>\n");
    printf("<p>%s %s, please.</p>\n", param("REQUEST_METHOD"), param("PATH_INFO"));
}

/* To the end of the input: a chunked upload has no CONTENT_LENGTH. */
static void upload(void) {
    char piece[65536];
    unsigned long long bytes = 0;
    size_t length;
    while ((length = fread(piece, 1, sizeof piece, stdin)) > 0)
        bytes += length;
    begin("text/plain");
    printf("%llu bytes\n", bytes);
}

static void stream(void) {
    begin("text/plain");
    for (int line = 1; line <= 5; line++) {
        printf("line %d\n", line);
        fflush(stdout);
    }
}

/* For tests of what the host makes of it. */
static int fail(const char *how) {
    fprintf(stderr, "c-cgi fails as asked: %s\n", how);
    if (strcmp(how, "early") == 0)
        return 3;
    if (strcmp(how, "abort") == 0)
        abort();
    begin("text/plain");
    printf("said before\n");
    return strcmp(how, "late") == 0 ? 4 : 0;
}

int main(void) {
    const char *path = param("PATH_INFO");
    if (strcmp(path, "/") == 0 || *path == '\0') {
        hello();
    } else if (strcmp(path, "/upload") == 0) {
        upload();
    } else if (strcmp(path, "/stream") == 0) {
        stream();
    } else if (strcmp(path, "/count") == 0) {
        begin("text/plain");
        printf("%d\n", ++count);
    } else if (strcmp(path, "/who") == 0) {
        begin("text/plain");
        printf("addr=%s script=%s\n", param("REMOTE_ADDR"), param("SCRIPT_NAME"));
    } else if (strcmp(path, "/teapot") == 0) {
        printf("Status: 418 I am a teapot\r\n");
        begin("text/plain");
        printf("short and stout\n");
    } else if (strcmp(path, "/moved") == 0) {
        printf("Location: %s/who\r\n\r\n", param("SCRIPT_NAME"));
    } else if (strncmp(path, "/fail/", 6) == 0) {
        return fail(path + 6);
    } else {
        printf("Status: 404 Not Found\r\n");
        begin("text/plain");
        printf("There is no %s.\n", path);
    }
    return 0;
}
