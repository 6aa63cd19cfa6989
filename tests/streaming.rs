//! Section E of the conformance list: bytes move when they can, and wait, in
//! bounded memory, when they can not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use fcgi_wasm::{
    Body, BodySender, Fault, Frontend, Gone, Handler, Observers, Request, Response, Socket,
};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::local::{Local, hello};
use crate::support::web_server::*;
use crate::support::{Outcome, wait_until};

tests![
    conformance_24_a_responder_runs_before_its_body_has_come,
    conformance_57_the_first_bytes_leave_before_the_rest_exists,
    conformance_58_a_peer_that_does_not_read_holds_the_handler_up,
    conformance_59_a_body_that_is_not_read_is_not_taken_either,
    a_body_that_trickles_keeps_little_beside_it,
    an_idle_connection_keeps_no_large_buffer,
    an_answer_waits_while_a_body_comes_without_a_gap,
    conformance_61_an_answer_need_not_wait_for_the_body,
    conformance_62_a_small_answer_is_one_write,
    conformance_63_messages_leave_while_the_response_is_under_way,
    conformance_64_a_body_cut_short_is_an_error_and_excess_is_cut,
];

fn streamed(body: Body<Fault>) -> Response {
    Response {
        body,
        ..Response::text(StatusCode::OK, "")
    }
}

/// Reads records until there is a whole head and this much of a body.
#[track_caller]
fn read_stdout(peer: &mut Peer, expected: &str) {
    let mut seen = Vec::new();
    while !seen.ends_with(expected.as_bytes()) {
        let record = peer.read_record().expect("a record");
        assert_eq!(record.kind, STDOUT);
        seen.extend(record.content);
    }
}

fn conformance_24_a_responder_runs_before_its_body_has_come() -> Outcome {
    let (run, has_run) = std::sync::mpsc::channel();
    let local = Local::serve(move |request: Request| {
        let run = run.clone();
        async move {
            run.send(request.params.get("CONTENT_LENGTH").map(<[u8]>::to_vec))
                .expect("awaited");
            let body = request.body.collect().await.expect("a body");
            Ok(Response::text(StatusCode::OK, body.to_bytes()))
        }
    });
    let mut peer = local.connect();
    peer.send(&post_head(1, "/", 4, false));
    // No record of STDIN was sent.
    let length = has_run.recv_timeout(crate::support::PATIENCE);
    assert_eq!(length.expect("it runs"), Some(b"4".to_vec()));
    peer.send(&stdin(1, b"body"));
    assert_eq!(peer.answer(1).text(), "body");
    Ok(())
}

fn conformance_57_the_first_bytes_leave_before_the_rest_exists() -> Outcome {
    // The handler sends the second part only after the client, who has seen
    // the first, has sent its body.
    let local = Local::serve(|request: Request| async move {
        let (mut sender, body) = Body::pipe();
        sender.push(Bytes::from_static(b"first"));
        tokio::spawn(async move {
            let body = request.body.collect().await.expect("a body");
            sender.push(body.to_bytes());
            sender.finish();
        });
        Ok(streamed(body))
    });
    let mut peer = local.connect();
    peer.send(&post_head(1, "/", 6, false));
    read_stdout(&mut peer, "first");
    peer.send(&stdin(1, b"second"));
    assert_eq!(peer.answer(1).stdout, b"second");
    Ok(())
}

/// A body that never ends; counts the bytes that were taken of it, and says
/// when nobody wants more.
async fn pour(mut sender: BodySender<Fault>, taken: Arc<AtomicUsize>) -> Gone {
    loop {
        if let Err(gone) = sender.ready().await {
            return gone;
        }
        let piece = Bytes::from(vec![b'x'; 10_000]);
        taken.fetch_add(piece.len(), Ordering::SeqCst);
        sender.push(piece);
    }
}

fn conformance_58_a_peer_that_does_not_read_holds_the_handler_up() -> Outcome {
    let taken = Arc::new(AtomicUsize::new(0));
    let gone = Arc::new(AtomicUsize::new(0));
    let (count, ended) = (taken.clone(), gone.clone());
    let local = Local::serve(move |_: Request| {
        let (count, ended) = (count.clone(), ended.clone());
        async move {
            let (sender, body) = Body::pipe();
            tokio::spawn(async move {
                pour(sender, count).await;
                ended.fetch_add(1, Ordering::SeqCst);
            });
            Ok(streamed(body))
        }
    });
    let mut peer = local.connect();
    peer.send(&get(1, "/", false));
    // It pours until the buffers are full, and stays there.
    let mut before = 0;
    wait_until("the handler is held up", || {
        let now = taken.load(Ordering::SeqCst);
        let is_held = now > 0 && now == before;
        before = now;
        std::thread::sleep(std::time::Duration::from_millis(200));
        is_held
    });
    assert!(
        before < 4_000_000,
        "{before} bytes wait for a peer that reads none"
    );
    assert_eq!(gone.load(Ordering::SeqCst), 0, "it is held up, not ended");
    drop(peer);
    wait_until("the handler is told", || gone.load(Ordering::SeqCst) == 1);
    Ok(())
}

fn conformance_59_a_body_that_is_not_read_is_not_taken_either() -> Outcome {
    let local = Local::serve(|request: Request| async move {
        let _unread = request.body;
        std::future::pending::<()>().await;
        unreachable!("pending for ever")
    });
    let mut peer = local.connect();
    peer.send(&post_head(1, "/", 100_000_000, false));
    peer.stream.set_nonblocking(true).expect("nonblocking");
    let piece = record(STDIN, 1, &[b'x'; 32_000]);
    let (mut sent, mut refusals) = (0, 0);
    while refusals < 20 {
        match io::Write::write(&mut peer.stream, &piece[sent % piece.len()..]) {
            Ok(bytes) => (sent, refusals) = (sent + bytes, 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                refusals += 1;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(
        sent < 4_000_000,
        "{sent} bytes were taken for a handler that reads none"
    );
    Ok(())
}

/// Answers, when it is told to, with how many bytes its request's body has, and how
/// large the buffers are that keep them: what arrives is handed on in the buffers
/// that it was read into. Those that more is read into are not among them.
fn weighing(begin_reading: Arc<Notify>) -> impl Handler {
    move |request: Request| {
        let begin_reading = begin_reading.clone();
        async move {
            begin_reading.notified().await;
            let (mut body, mut pieces) = (request.body, Vec::new());
            while let Some(Ok(frame)) = body.frame().await {
                pieces.extend(frame.into_data().ok());
            }
            let sent: usize = pieces.iter().map(Bytes::len).sum();
            // The first piece of each buffer is the last one, and has all of it.
            let mut kept = 0;
            while let Some(piece) = pieces.pop() {
                kept += piece.try_into_mut().map_or(0, |buffer| buffer.capacity());
            }
            Ok(Response::text(StatusCode::OK, format!("{sent} {kept}")))
        }
    }
}

/// Sends a body: so much of it at once, and so many pieces of 2 KiB, each of which
/// is read before the next is sent. What a handler that is [`weighing`] says.
fn trickle(peer: &mut Peer, at_once: usize, pieces: usize, read: &Notify) -> [usize; 2] {
    peer.send(&post_head(1, "/", 100_000_000, true));
    peer.send(&record(STDIN, 1, &[b'x'; 32_000]).repeat(at_once / 32_000));
    for _ in 0..pieces {
        peer.send(&record(STDIN, 1, &[b'x'; 2048]));
        peer.send(&record(GET_VALUES, 0, &[]));
        let answer = peer.read_record().expect("an answer");
        assert_eq!(answer.kind, GET_VALUES_RESULT);
    }
    peer.send(&record(STDIN, 1, &[]));
    read.notify_one();
    let answer = peer.answer(1).text();
    let (sent, kept) = answer.split_once(' ').expect("two numbers");
    [sent, kept].map(|number| number.parse().expect("a number"))
}

fn a_body_that_trickles_keeps_little_beside_it() -> Outcome {
    let read = Arc::new(Notify::new());
    let local = Local::serve(weighing(read.clone()));
    let [sent, kept] = trickle(&mut local.connect(), 256_000, 100, &read);
    assert_eq!(sent, 256_000 + 100 * 2048);
    assert!(kept < 3 * sent, "{kept} bytes for {sent}");
    Ok(())
}

fn an_idle_connection_keeps_no_large_buffer() -> Outcome {
    let read = Arc::new(Notify::new());
    let local = Local::serve(weighing(read.clone()));
    let mut peer = local.connect();
    trickle(&mut peer, 256_000, 8, &read);
    // What comes then is read into small ones, one after the other.
    let [sent, kept] = trickle(&mut peer, 0, 8, &read);
    assert_eq!(sent, 8 * 2048);
    assert!(
        (sent / 2..3 * sent).contains(&kept),
        "{kept} bytes for {sent}"
    );
    Ok(())
}

fn an_answer_waits_while_a_body_comes_without_a_gap() -> Outcome {
    // What is read is sent back at once.
    let local = Local::serve(|request: Request| async move {
        let (mut sender, body) = Body::pipe();
        let mut incoming = request.body;
        tokio::spawn(async move {
            while let Some(Ok(frame)) = incoming.frame().await {
                sender.push(frame.into_data().unwrap_or_default());
                if sender.ready().await.is_err() {
                    return;
                }
            }
            sender.finish();
        });
        Ok(streamed(body))
    });
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    let mut peer = local.connect();
    // As nginx does: nothing is read before all is sent.
    peer.send(&post_head(1, "/", body.len(), false));
    peer.send(&stdin(1, &body));
    assert!(peer.answer(1).body() == body);
    Ok(())
}

fn conformance_61_an_answer_need_not_wait_for_the_body() -> Outcome {
    let local = Local::serve(hello());
    let mut peer = local.connect();
    let head = post_head(1, "/", 3_000_000, true);
    assert_eq!(peer.ask(1, &head).status(), 200);
    // What still comes is swallowed, and the connection stays of use.
    peer.send(&stdin(1, &vec![b'x'; 3_000_000]));
    assert_eq!(peer.ask(1, &get(1, "/", true)).status(), 200);
    Ok(())
}

/// A connection that counts writes.
struct Counting {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl Socket for Counting {
    fn is_hung_up(&self) -> bool {
        false
    }

    fn peer(&self) -> &str {
        "test"
    }
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn conformance_62_a_small_answer_is_one_write() -> Outcome {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let writes = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let (mut ours, theirs) = tokio::io::duplex(1_000_000);
        let socket = Box::new(Counting {
            stream: theirs,
            writes: writes.clone(),
        });
        let frontend = fcgi_wasm::FastCgi::default();
        ours.write_all(&get(1, "/", false)).await.expect("sent");
        ours.shutdown().await.expect("ended");
        let stop = CancellationToken::new();
        frontend
            .converse(socket, Arc::new(hello()), Observers::default(), stop)
            .await;
        let mut answer = Vec::new();
        ours.read_to_end(&mut answer).await.expect("an answer");
        assert!(answer.len() > 50);
    });
    assert_eq!(writes.load(Ordering::SeqCst), 1);
    Ok(())
}

fn conformance_63_messages_leave_while_the_response_is_under_way() -> Outcome {
    let local = Local::serve(|request: Request| async move {
        let (mut sender, body) = Body::pipe();
        request.journal.say("on my way");
        sender.push(Bytes::from_static(b"first"));
        tokio::spawn(async move {
            let rest = request.body.collect().await.expect("a body");
            sender.push(rest.to_bytes());
            sender.finish();
        });
        Ok(streamed(body))
    });
    let mut peer = local.connect();
    peer.send(&post_head(1, "/", 4, false));
    read_stdout(&mut peer, "first");
    // Behind the head, because nginx takes both into one buffer of 4 KiB.
    let message = peer.read_record().expect("a record");
    assert_eq!(message.kind, STDERR);
    assert!(message.content.ends_with(b": on my way\n"), "{message:?}");
    peer.send(&stdin(1, b"rest"));
    let answer = peer.answer(1);
    // Both streams have their end, and nothing follows.
    assert_eq!(answer.kinds, [STDOUT, STDERR, STDOUT, END_REQUEST]);
    Ok(())
}

fn conformance_64_a_body_cut_short_is_an_error_and_excess_is_cut() -> Outcome {
    let local = Local::serve(|request: Request| async move {
        let text = match request.body.collect().await {
            Ok(body) => format!("{} bytes", body.to_bytes().len()),
            Err(error) => format!("error: {error}"),
        };
        Ok(Response::text(StatusCode::OK, text))
    });
    let ask = |announced: usize, sent: &[u8]| {
        let mut request = post_head(1, "/", announced, false);
        request.extend(stdin(1, sent));
        local.ask(1, &request).text()
    };
    assert_eq!(ask(5, b"12345"), "5 bytes");
    assert_eq!(ask(5, b"1234567"), "5 bytes");
    assert!(ask(5, b"123").starts_with("error: the request body is incomplete"));
    assert!(ask(5, b"").starts_with("error: "));
    // A connection that just ends is no end of the body either.
    let mut peer = local.connect();
    peer.send(&post_head(1, "/", 5, false));
    peer.send(&record(STDIN, 1, b"12"));
    peer.stream
        .shutdown(std::net::Shutdown::Write)
        .expect("half closed");
    assert!(peer.answer(1).text().starts_with("error: "));
    Ok(())
}
