/* What libfcgi's configure script would find out; old programs include it. */
#ifndef FCGI_WASM_FCGI_CONFIG_H
#define FCGI_WASM_FCGI_CONFIG_H

#define HAVE_UNISTD_H 1
#define HAVE_FPOS 1

#endif
