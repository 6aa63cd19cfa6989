/* An application for the native contract in C. */
#include "fcgi_wasm.h"

static int count = 0;

static const char *param(const char *name) {
    const char *value = fcgi_param(name);
    return value ? value : "";
}

static const char *hello(void) {
    fcgi_start(200, "Content-Type", "text/plain; charset=utf-8", NULL);
    fcgi_printf("Hello from C\n%s %s\n", fcgi_method(), fcgi_target());
    return NULL;
}

static const char *upload(void) {
    static char piece[65536];
    unsigned long long bytes = 0;
    ptrdiff_t length;
    while ((length = fcgi_read(piece, sizeof piece)) > 0)
        bytes += (unsigned long long)length;
    if (length < 0)
        return "the upload did not arrive whole";
    fcgi_printf("%llu bytes\n", bytes);
    return NULL;
}

static const char *stream(void) {
    for (int line = 1; line <= 5; line++) {
        fcgi_printf("line %d\n", line);
        fcgi_flush();
    }
    return NULL;
}

static const char *headers(void) {
    fcgi_fields fields = fcgi_headers();
    for (size_t i = 0; i < fields.length; i++)
        fcgi_printf("%s: %s\n", fields.data[i].name.data, fields.data[i].value.data);
    return NULL;
}

const char *fcgi_wasm_handle(void) {
    const char *path = param("PATH_INFO");
    if (strcmp(path, "/") == 0 || *path == '\0')
        return hello();
    if (strcmp(path, "/upload") == 0)
        return upload();
    if (strcmp(path, "/stream") == 0)
        return stream();
    if (strcmp(path, "/headers") == 0)
        return headers();
    if (strcmp(path, "/count") == 0)
        return fcgi_printf("%d\n", ++count), NULL;
    if (strcmp(path, "/who") == 0)
        return fcgi_printf("addr=%s script=%s\n", param("REMOTE_ADDR"), param("SCRIPT_NAME")), NULL;
    if (strcmp(path, "/illegal") == 0)
        return fcgi_start(200, "X-Bad", "line\nbreak", NULL);
    fcgi_start(404, "Content-Type", "text/plain", NULL);
    fcgi_printf("There is no %s.\n", path);
    return NULL;
}
