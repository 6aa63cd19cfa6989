//! A CGI program in Zig (RFC 3875): the request is environment and standard
//! input, the answer is standard output, and standard error is logged.

const std = @import("std");
const Io = std.Io;

var count: u32 = 0;

const Request = struct {
    params: *const std.process.Environ.Map,
    body: *Io.Reader,
    out: *Io.Writer,

    fn param(request: Request, name: []const u8) []const u8 {
        return request.params.get(name) orelse "";
    }

    /// The head; what is written after it is the body.
    fn begin(request: Request, status: []const u8) !void {
        try request.out.print("Status: {s}\r\nContent-Type: text/plain\r\n\r\n", .{status});
    }
};

const routes = std.StaticStringMap(*const fn (Request) anyerror!void).initComptime(.{
    .{ "", hello },
    .{ "/", hello },
    .{ "/upload", upload },
    .{ "/stream", stream },
    .{ "/count", counter },
    .{ "/who", who },
    .{ "/teapot", teapot },
    .{ "/error", failure },
    .{ "/panic", crash },
});

pub fn main(init: std.process.Init) !void {
    var in_buffer: [4096]u8 = undefined;
    var out_buffer: [8192]u8 = undefined;
    var in = Io.File.stdin().readerStreaming(init.io, &in_buffer);
    var out = Io.File.stdout().writerStreaming(init.io, &out_buffer);
    const request: Request = .{
        .params = init.environ_map,
        .body = &in.interface,
        .out = &out.interface,
    };
    const answer = routes.get(request.param("PATH_INFO")) orelse missing;
    try answer(request);
    try request.out.flush();
}

fn hello(request: Request) !void {
    try request.begin("200 OK");
    try request.out.print("Hello from Zig\n", .{});
}

/// To the end of the input: a chunked upload has no CONTENT_LENGTH.
fn upload(request: Request) !void {
    var piece: [65536]u8 = undefined;
    var bytes: u64 = 0;
    while (true) {
        const length = try request.body.readSliceShort(&piece);
        bytes += length;
        if (length < piece.len) break;
    }
    try request.begin("200 OK");
    try request.out.print("{d} bytes\n", .{bytes});
}

fn stream(request: Request) !void {
    try request.begin("200 OK");
    for (1..6) |line| {
        try request.out.print("line {d}\n", .{line});
        try request.out.flush();
    }
}

fn counter(request: Request) !void {
    count += 1;
    try request.begin("200 OK");
    try request.out.print("{d}\n", .{count});
}

fn who(request: Request) !void {
    const addr = request.param("REMOTE_ADDR");
    const script = request.param("SCRIPT_NAME");
    try request.begin("200 OK");
    try request.out.print("addr={s} script={s}\n", .{ addr, script });
}

fn teapot(request: Request) !void {
    try request.begin("418 I am a teapot");
    try request.out.print("short and stout\n", .{});
}

/// An error that leaves `main` is logged, and is the program's exit status.
fn failure(_: Request) !void {
    return error.AsAsked;
}

/// A panic is a trap.
fn crash(_: Request) !void {
    @panic("a panic, as asked");
}

fn missing(request: Request) !void {
    try request.begin("404 Not Found");
    try request.out.print("There is no {s}.\n", .{request.param("PATH_INFO")});
}
