/* The few numbers of the FastCGI protocol that applications use. */
#ifndef FCGI_WASM_FASTCGI_H
#define FCGI_WASM_FASTCGI_H

#define FCGI_LISTENSOCK_FILENO 0

#define FCGI_RESPONDER 1
#define FCGI_AUTHORIZER 2
#define FCGI_FILTER 3

#define FCGI_MAX_CONNS "FCGI_MAX_CONNS"
#define FCGI_MAX_REQS "FCGI_MAX_REQS"
#define FCGI_MPXS_CONNS "FCGI_MPXS_CONNS"

#endif
