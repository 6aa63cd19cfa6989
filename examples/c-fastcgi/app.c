/* A FastCGI program as they were always written: it stands in a loop, and
 * libfcgi gives it a request at each turn. Not a line of it knows of
 * WebAssembly; it compiles against libfcgi (`cc app.c -lfcgi`) as well. */
#include "fcgi_stdio.h"

#include <stdlib.h>
#include <string.h>

extern char **environ;

static int count = 0;

static const char *param(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static void echo(void) {
    int byte;
    for (char **variable = environ; *variable != NULL; variable++)
        printf("%s\n", *variable);
    printf("\n");
    while ((byte = getchar()) != EOF)
        putchar(byte);
}

static void upload(void) {
    char piece[65536];
    unsigned long bytes = 0;
    size_t length;
    while ((length = fread(piece, 1, sizeof piece, stdin)) > 0)
        bytes += length;
    FCGI_printf("%lu bytes\n", bytes);
}

static void answer(const char *path) {
    if (strcmp(path, "/missing") == 0)
        printf("Status: 404 Not Found\r\n");
    printf("Content-Type: text/plain\r\n\r\n");
    if (strcmp(path, "/") == 0 || *path == '\0') {
        puts("Hello from a FastCGI program in C");
    } else if (strcmp(path, "/upload") == 0) {
        upload();
    } else if (strcmp(path, "/stream") == 0) {
        for (int line = 1; line <= 5; line++) {
            fprintf(stdout, "line %d\n", line);
            fflush(stdout);
        }
    } else if (strcmp(path, "/count") == 0) {
        printf("%d\n", ++count);
    } else if (strcmp(path, "/who") == 0) {
        printf("addr=%s script=%s\n", param("REMOTE_ADDR"), param("SCRIPT_NAME"));
    } else if (strcmp(path, "/echo") == 0) {
        echo();
    } else if (strcmp(path, "/status") == 0) {
        fputs("with a status\n", stdout);
        fprintf(stderr, "c-fastcgi leaves with status 5\n");
        FCGI_SetExitStatus(5);
    } else {
        printf("There is no %s.\n", path);
    }
}

int main(void) {
    /* A process of old told its terminal so. */
    printf("c-fastcgi starts\n");
    while (FCGI_Accept() >= 0)
        answer(param("PATH_INFO"));
    return 0;
}
