//! The smallest CGI program: what one costs that does nothing.

#![expect(clippy::print_stdout, reason = "that is how a CGI program answers")]

fn main() {
    print!("Content-Type: text/plain\n\nhello\n");
}
