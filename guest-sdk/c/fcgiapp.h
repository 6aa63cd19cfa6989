/* FastCGI's library for C (`FCGX_…`), for programs that fcgi-wasm runs.
 *
 * There the host speaks FastCGI, and starts the program anew for each request
 * in the manner of CGI. So a stream is a stdio stream, the params are the
 * environment, and the first "accept" succeeds at once while the second says
 * that there is no more to do. A program compiles unchanged, without -lfcgi. */
#ifndef FCGI_WASM_FCGIAPP_H
#define FCGI_WASM_FCGIAPP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "fastcgi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FCGX_UNSUPPORTED_VERSION -2
#define FCGX_PROTOCOL_ERROR -3
#define FCGX_PARAMS_ERROR -4
#define FCGX_CALL_SEQ_ERROR -5

#define FCGI_FAIL_ACCEPT_ON_INTR 1

typedef FILE FCGX_Stream;
typedef char **FCGX_ParamArray;

typedef struct FCGX_Request {
    int requestId;
    int role;
    FCGX_Stream *in, *out, *err;
    FCGX_ParamArray envp;
    int ipcFd;
    int keepConnection;
    int appStatus;
    int flags;
    int listen_sock;
} FCGX_Request;

extern char **environ;

/* One of each in the program, in however many files this header is read. */
__attribute__((weak)) int fcgi_wasm_accepted = 0;
__attribute__((weak)) int fcgi_wasm_exit_status = 0;
__attribute__((weak)) char fcgi_wasm_buffer[16384];

/* Before `main`: stdio by itself would pass its first line on at once. */
__attribute__((constructor)) static void fcgi_wasm_begin(void) {
    setvbuf(stdout, fcgi_wasm_buffer, _IOFBF, sizeof fcgi_wasm_buffer);
}

/* 0 for the one request of this instance, then -1. */
static inline int fcgi_wasm_accept(void) {
    if (fcgi_wasm_accepted) {
        fflush(stdout);
        return -1;
    }
    fcgi_wasm_accepted = 1;
    /* A FastCGI process may greet its terminal first: that is no page. */
    __fpurge(stdout);
    return 0;
}

/* At the end of the program, whatever `main` returned. */
static inline void fcgi_wasm_leave(void) {
    fflush(NULL);
    _Exit(fcgi_wasm_exit_status);
}

static inline void fcgi_wasm_leave_with(int status) {
    if (fcgi_wasm_exit_status == 0 && status != 0)
        atexit(fcgi_wasm_leave);
    fcgi_wasm_exit_status = status;
}

/* Control */

/* A program that asks wants to know whether to serve requests in a loop. */
static inline int FCGX_IsCGI(void) { return 0; }
static inline int FCGX_Init(void) { return 0; }

static inline int FCGX_OpenSocket(const char *path, int backlog) {
    (void)path, (void)backlog;
    return FCGI_LISTENSOCK_FILENO;
}

static inline int FCGX_InitRequest(FCGX_Request *request, int sock, int flags) {
    memset(request, 0, sizeof *request);
    request->listen_sock = sock;
    request->flags = flags;
    request->ipcFd = -1;
    return 0;
}

static inline int FCGX_Accept(FCGX_Stream **in, FCGX_Stream **out, FCGX_Stream **err,
                              FCGX_ParamArray *envp) {
    if (fcgi_wasm_accept() < 0)
        return -1;
    *in = stdin, *out = stdout, *err = stderr, *envp = environ;
    return 0;
}

static inline int FCGX_Accept_r(FCGX_Request *request) {
    request->requestId = 1;
    request->role = FCGI_RESPONDER;
    return FCGX_Accept(&request->in, &request->out, &request->err, &request->envp);
}

static inline void FCGX_Finish(void) { fflush(stdout); }
static inline void FCGX_Finish_r(FCGX_Request *request) { (void)request, fflush(stdout); }
static inline void FCGX_Free(FCGX_Request *request, int close) { (void)request, (void)close; }
static inline void FCGX_ShutdownPending(void) {}
static inline int FCGX_Attach(FCGX_Request *request) { return (void)request, 0; }
static inline int FCGX_Detach(FCGX_Request *request) { return (void)request, 0; }

/* A filter's file has no place in CGI. */
static inline int FCGX_StartFilterData(FCGX_Stream *stream) {
    return (void)stream, FCGX_CALL_SEQ_ERROR;
}

static inline void FCGX_SetExitStatus(int status, FCGX_Stream *stream) {
    (void)stream;
    fcgi_wasm_leave_with(status);
}

/* Params */

static inline char *FCGX_GetParam(const char *name, FCGX_ParamArray envp) {
    size_t length = strlen(name);
    for (; envp != NULL && *envp != NULL; envp++)
        if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
            return *envp + length + 1;
    return NULL;
}

/* Streams */

#define FCGX_GetChar fgetc
#define FCGX_UnGetChar ungetc
#define FCGX_GetLine fgets
#define FCGX_PutChar fputc
#define FCGX_FPrintF fprintf
#define FCGX_VFPrintF vfprintf
#define FCGX_FFlush fflush
#define FCGX_ClearError clearerr
/* Closing is left to the end of the program, as a stream may be closed twice. */
#define FCGX_FClose fflush

static inline int FCGX_GetStr(char *str, int n, FCGX_Stream *stream) {
    return (int)fread(str, 1, (size_t)n, stream);
}

static inline int FCGX_PutStr(const char *str, int n, FCGX_Stream *stream) {
    return fwrite(str, 1, (size_t)n, stream) == (size_t)n ? n : EOF;
}

static inline int FCGX_PutS(const char *str, FCGX_Stream *stream) {
    return FCGX_PutStr(str, (int)strlen(str), stream);
}

static inline int FCGX_HasSeenEOF(FCGX_Stream *stream) { return feof(stream) ? EOF : 0; }
static inline int FCGX_GetError(FCGX_Stream *stream) { return ferror(stream); }

#ifdef __cplusplus
}
#endif

#endif
