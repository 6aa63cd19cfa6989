// FastCGI's streams for C++, for programs that fcgi-wasm runs.
#ifndef FCGI_WASM_FCGIO_H
#define FCGI_WASM_FCGIO_H

#include <iostream>
#include <streambuf>

#include "fcgiapp.h"

/// Unbuffered, as the stdio stream below has a buffer.
class fcgi_streambuf : public std::streambuf {
public:
    typedef char char_type;

    fcgi_streambuf(FCGX_Stream *stream, char_type *, int) : stream(stream) {}
    fcgi_streambuf(FCGX_Stream *stream = nullptr) : stream(stream) {}

    int attach(FCGX_Stream *other) {
        stream = other;
        return 0;
    }

protected:
    int overflow(int c) override {
        return c == EOF ? sync() : stream ? fputc(c, stream) : EOF;
    }
    int sync() override { return stream && fflush(stream) == 0 ? 0 : EOF; }
    int uflow() override { return stream ? fgetc(stream) : EOF; }
    int underflow() override {
        int c = uflow();
        return c == EOF ? EOF : ungetc(c, stream);
    }
    int pbackfail(int c) override { return stream && c != EOF ? ungetc(c, stream) : EOF; }
    std::streamsize xsgetn(char_type *s, std::streamsize n) override {
        return stream ? static_cast<std::streamsize>(fread(s, 1, n, stream)) : 0;
    }
    std::streamsize xsputn(const char_type *s, std::streamsize n) override {
        return stream ? static_cast<std::streamsize>(fwrite(s, 1, n, stream)) : 0;
    }

private:
    FCGX_Stream *stream = nullptr;
};

class fcgi_istream : public std::istream {
public:
    fcgi_istream(FCGX_Stream *stream = nullptr) : std::istream(&buffer), buffer(stream) {}
    void attach(FCGX_Stream *stream) { buffer.attach(stream); }

private:
    fcgi_streambuf buffer;
};

class fcgi_ostream : public std::ostream {
public:
    fcgi_ostream(FCGX_Stream *stream = nullptr) : std::ostream(&buffer), buffer(stream) {}
    void attach(FCGX_Stream *stream) { buffer.attach(stream); }

private:
    fcgi_streambuf buffer;
};

#endif
