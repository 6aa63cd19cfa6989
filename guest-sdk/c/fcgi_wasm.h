/* The native contract (guest-sdk/wit/app.wit, world `responder`) for C.
 *
 * The application defines `fcgi_wasm_handle`; everything else here is for it to
 * call. Include this header in one file of the program, build that as a
 * *reactor* (`-mexec-model=reactor`), and make a component of it with the
 * script `componentize` beside this file.
 *
 * What a function returns stays valid to the end of the request; nothing need
 * be freed, as the instance and all of its memory end with the request.
 *
 * Below the line is how the component model passes these types to C ("canonical
 * ABI"), written by hand for these few functions: to change it, compare with
 * what `wit-bindgen c guest-sdk/wit --world responder` generates. */
#ifndef FCGI_WASM_H
#define FCGI_WASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes and their number. A text from the host ends with a NUL besides, but may
 * contain others; `data` is NULL where there is none. */
typedef struct {
    char *data;
    size_t length;
} fcgi_bytes;

/* A header field or a param. */
typedef struct {
    fcgi_bytes name, value;
} fcgi_field;

typedef struct {
    fcgi_field *data;
    size_t length;
} fcgi_fields;

/* Answers the request. NULL, or an error: its text is logged, and the visitor
 * gets a plain 500 if nothing was started. */
const char *fcgi_wasm_handle(void);

/* The request */

static const char *fcgi_method(void);
/* Path and query as the client wrote them. */
static const char *fcgi_target(void);
/* What the client says; NULL if it does not. The name in any case. */
static const char *fcgi_header(const char *name);
static fcgi_fields fcgi_headers(void);
/* What the web server says, such as REMOTE_ADDR; NULL if it does not. */
static const char *fcgi_param(const char *name);
static fcgi_fields fcgi_params(void);
/* The next bytes of the body, at most so many, into `buffer`: 0 at its end, -1
 * if it is incomplete, -2 if it is too large for the operator. */
static ptrdiff_t fcgi_read(void *buffer, size_t size);

/* The response; each waits while the client is not reading. */

/* Status and headers, once, before the body: name and value in turn, NULL at
 * the end. The reason if they are not legal, else NULL. */
static const char *fcgi_start(unsigned status, ...);
/* More of the body. False once nobody reads any more. */
static bool fcgi_write(const void *data, size_t length);
static bool fcgi_puts(const char *text);
static bool fcgi_printf(const char *format, ...);
/* Makes what was written visible at once. */
static bool fcgi_flush(void);
/* Ends the response; the instance may go on working for a while. */
static bool fcgi_finish(void);

/* --------------------------------------------------------------------------- */

#include <stdarg.h>
#include <stdio.h>

#define FCGI_WASM_IMPORT(interface, name)                                      \
    __attribute__((import_module("fcgi-wasm:app/" interface "@0.1.0"),         \
                   import_name(name)))
#define FCGI_WASM_EXPORT(name) __attribute__((export_name(name)))

/* Where a result does not fit into one number, its parts are stored here, 4
 * bytes each: a tag first if it has cases, then pointer and length. */
typedef struct {
    uint32_t tag, data, length;
} fcgi_wasm_case;

FCGI_WASM_IMPORT("request", "method") void fcgi_wasm_method(fcgi_bytes *);
FCGI_WASM_IMPORT("request", "target") void fcgi_wasm_target(fcgi_bytes *);
FCGI_WASM_IMPORT("request", "header")
void fcgi_wasm_header(const char *, size_t, fcgi_wasm_case *);
FCGI_WASM_IMPORT("request", "headers") void fcgi_wasm_headers(fcgi_fields *);
FCGI_WASM_IMPORT("request", "param")
void fcgi_wasm_param(const char *, size_t, fcgi_wasm_case *);
FCGI_WASM_IMPORT("request", "params") void fcgi_wasm_params(fcgi_fields *);
FCGI_WASM_IMPORT("request", "read") void fcgi_wasm_read(uint32_t, fcgi_wasm_case *);
FCGI_WASM_IMPORT("response", "start")
void fcgi_wasm_start(uint32_t, const fcgi_field *, size_t, fcgi_wasm_case *);
FCGI_WASM_IMPORT("response", "write") uint32_t fcgi_wasm_write(const void *, size_t);
FCGI_WASM_IMPORT("response", "flush") uint32_t fcgi_wasm_flush(void);
FCGI_WASM_IMPORT("response", "finish") uint32_t fcgi_wasm_finish(void);

/* Where the host puts lists and texts. A byte more than it asks for, zero, so
 * that a text is a string. Of `fcgi_read` it is the caller's buffer. */
static void *fcgi_wasm_read_buffer = NULL;

FCGI_WASM_EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
    if (fcgi_wasm_read_buffer != NULL) {
        void *buffer = fcgi_wasm_read_buffer;
        fcgi_wasm_read_buffer = NULL;
        return buffer;
    }
    char *memory = (char *)realloc(old, size + 1);
    if (memory == NULL)
        abort();
    memory[size] = '\0';
    return (void)old_size, (void)align, memory;
}

/* Called by the host; what it gets is a `result<_, string>`. */
FCGI_WASM_EXPORT("fcgi-wasm:app/handler@0.1.0#handle")
fcgi_wasm_case *fcgi_wasm_exported_handle(void) {
    static fcgi_wasm_case result;
    const char *error = fcgi_wasm_handle();
    result.tag = error != NULL;
    result.data = (uint32_t)(uintptr_t)error;
    result.length = error != NULL ? strlen(error) : 0;
    return &result;
}

/* The text of an `option<string>` or an error. Of the tag one byte is stored. */
static inline const char *fcgi_wasm_text(fcgi_wasm_case option) {
    return option.tag & 0xff ? (const char *)(uintptr_t)option.data : NULL;
}

static inline const char *fcgi_method(void) {
    fcgi_bytes text;
    fcgi_wasm_method(&text);
    return text.data;
}

static inline const char *fcgi_target(void) {
    fcgi_bytes text;
    fcgi_wasm_target(&text);
    return text.data;
}

static inline const char *fcgi_header(const char *name) {
    fcgi_wasm_case value;
    fcgi_wasm_header(name, strlen(name), &value);
    return fcgi_wasm_text(value);
}

static inline fcgi_fields fcgi_headers(void) {
    fcgi_fields fields;
    fcgi_wasm_headers(&fields);
    return fields;
}

static inline const char *fcgi_param(const char *name) {
    fcgi_wasm_case value;
    fcgi_wasm_param(name, strlen(name), &value);
    return fcgi_wasm_text(value);
}

static inline fcgi_fields fcgi_params(void) {
    fcgi_fields fields;
    fcgi_wasm_params(&fields);
    return fields;
}

static inline ptrdiff_t fcgi_read(void *buffer, size_t size) {
    fcgi_wasm_case result;
    fcgi_wasm_read_buffer = buffer;
    fcgi_wasm_read(size, &result);
    /* At the end there was nothing to put anywhere. */
    fcgi_wasm_read_buffer = NULL;
    if ((result.tag & 0xff) == 0)
        return (ptrdiff_t)result.length;
    return (result.data & 0xff) == 0 ? -1 : -2;
}

static inline const char *fcgi_start(unsigned status, ...) {
    fcgi_field fields[64];
    size_t length = 0;
    va_list arguments;
    va_start(arguments, status);
    for (;;) {
        char *name = va_arg(arguments, char *);
        if (name == NULL || length == 64)
            break;
        char *value = va_arg(arguments, char *);
        fields[length].name = (fcgi_bytes){name, strlen(name)};
        fields[length++].value = (fcgi_bytes){value, strlen(value)};
    }
    va_end(arguments);
    fcgi_wasm_case result;
    fcgi_wasm_start(status, fields, length, &result);
    return fcgi_wasm_text(result);
}

static inline bool fcgi_write(const void *data, size_t length) {
    return fcgi_wasm_write(data, length) == 0;
}

static inline bool fcgi_puts(const char *text) { return fcgi_write(text, strlen(text)); }

__attribute__((format(printf, 1, 2)))
static inline bool fcgi_printf(const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    bool written = length >= 0 && fcgi_write(text, (size_t)length);
    free(text);
    return written;
}

static inline bool fcgi_flush(void) { return fcgi_wasm_flush() == 0; }
static inline bool fcgi_finish(void) { return fcgi_wasm_finish() == 0; }

#endif
