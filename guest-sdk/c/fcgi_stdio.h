/* FastCGI's stdio for C, for programs that fcgi-wasm runs: the classic
 *
 *     while (FCGI_Accept() >= 0) { printf("Content-Type: text/plain\r\n\r\n"); … }
 *
 * compiles unchanged. libfcgi replaces the streams of stdio by its own; here
 * the real ones are connected to the request, so every name is stdio's. */
#ifndef FCGI_WASM_FCGI_STDIO_H
#define FCGI_WASM_FCGI_STDIO_H

#include <errno.h>
#include <sys/types.h>

#include "fcgiapp.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef FILE FCGI_FILE;
#define FCGI_ToFILE(fcgi_file) (fcgi_file)
#define FCGI_ToFcgiStream(fcgi_file) (fcgi_file)

static inline int FCGI_Accept(void) { return fcgi_wasm_accept(); }
static inline void FCGI_Finish(void) { FCGX_Finish(); }
static inline int FCGI_StartFilterData(void) { return FCGX_StartFilterData(stdin); }
static inline void FCGI_SetExitStatus(int status) { fcgi_wasm_leave_with(status); }

#define FCGI_stdin stdin
#define FCGI_stdout stdout
#define FCGI_stderr stderr

#define FCGI_perror perror
#define FCGI_fopen fopen
#define FCGI_fclose fclose
#define FCGI_fflush fflush
#define FCGI_freopen freopen
#define FCGI_setvbuf setvbuf
#define FCGI_setbuf setbuf
#define FCGI_fseek fseek
#define FCGI_ftell ftell
#define FCGI_rewind rewind
#define FCGI_fgetpos fgetpos
#define FCGI_fsetpos fsetpos
#define FCGI_fgetc fgetc
#define FCGI_getc getc
#define FCGI_getchar getchar
#define FCGI_ungetc ungetc
#define FCGI_fgets fgets
#define FCGI_scanf scanf
#define FCGI_fscanf fscanf
#define FCGI_fputc fputc
#define FCGI_putc putc
#define FCGI_putchar putchar
#define FCGI_fputs fputs
#define FCGI_puts puts
#define FCGI_printf printf
#define FCGI_fprintf fprintf
#define FCGI_vprintf vprintf
#define FCGI_vfprintf vfprintf
#define FCGI_fread fread
#define FCGI_fwrite fwrite
#define FCGI_feof feof
#define FCGI_ferror ferror
#define FCGI_clearerr clearerr
#define FCGI_fileno fileno
#define FCGI_fdopen fdopen

/* Newer C has no `gets`, old programs have. It trusts the client as ever. */
static inline char *FCGI_gets(char *str) {
    int c, length = 0;
    while ((c = getchar()) != EOF && c != '\n')
        str[length++] = (char)c;
    str[length] = '\0';
    return c == EOF && length == 0 ? NULL : str;
}

/* WASI has no processes and no folder for temporary files. */
static inline FILE *FCGI_popen(const char *command, const char *type) {
    (void)command, (void)type;
    errno = ENOSYS;
    return NULL;
}
static inline int FCGI_pclose(FILE *stream) { return (void)stream, -1; }
static inline FILE *FCGI_tmpfile(void) { return errno = ENOSYS, (FILE *)NULL; }

#ifndef NO_FCGI_DEFINES
#undef gets
#define gets FCGI_gets
#undef popen
#define popen FCGI_popen
#undef pclose
#define pclose FCGI_pclose
#undef tmpfile
#define tmpfile FCGI_tmpfile
#endif

#ifdef __cplusplus
}
#endif

#endif
