//! What one application's requests may spend, each.

use std::path::Path;
use std::time::Duration;

use super::{Budget, Grants, SendFileBy, SentFolder};

/// One mebibyte, for limits.
pub const MIB: u64 = 1024 * 1024;

/// The limits of one application, which each request has to itself, the budget
/// that its requests share, and what was granted to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) memory_bytes_max: u64,
    pub(crate) head_time_max: Duration,
    pub(crate) wall_time_max: Duration,
    pub(crate) cpu_time_max: Duration,
    pub(crate) duration_max: Duration,
    pub(crate) after_answer_max: Duration,
    pub(crate) request_body_bytes_max: u64,
    pub(crate) response_head_bytes_max: usize,
    pub(crate) response_body_bytes_max: u64,
    pub(crate) outbound_requests_max: usize,
    pub(crate) log_bytes_max: usize,
    pub(crate) budget: Budget,
    pub(crate) slow_after: Option<Duration>,
    pub(crate) may_command_web_server: bool,
    pub(crate) may_authorize: bool,
    pub(crate) sent_folders: Vec<SentFolder>,
    pub(crate) send_file_by: Option<SendFileBy>,
    pub(crate) grants: Grants,
    pub(crate) interface: Option<String>,
}

impl Policy {
    /// The defaults: enough for an interpreter with a web framework (Ruby with
    /// its standard library takes 68 MiB), too little to harm a small machine.
    pub fn strict() -> Self {
        Self {
            memory_bytes_max: 128 * MIB,
            head_time_max: Duration::MAX,
            wall_time_max: Duration::from_secs(60),
            cpu_time_max: Duration::from_secs(10),
            duration_max: Duration::from_secs(3600),
            after_answer_max: Duration::from_secs(30),
            request_body_bytes_max: 4096 * MIB,
            response_head_bytes_max: 64 * 1024,
            response_body_bytes_max: u64::MAX,
            outbound_requests_max: 100,
            log_bytes_max: 64 * 1024,
            budget: Budget::strict(),
            slow_after: None,
            may_command_web_server: false,
            may_authorize: false,
            sent_folders: Vec::new(),
            send_file_by: None,
            grants: Grants::none(),
            interface: None,
        }
    }

    /// The most memory an instance may have: its linear memories and tables in
    /// sum, bytes. 128 MiB unless set. The visitor of a request that needs
    /// more gets a 502.
    #[must_use]
    pub fn memory_max(mut self, bytes: u64) -> Self {
        self.memory_bytes_max = bytes;
        self
    }

    /// The longest time from admission until the answer begins to leave, without
    /// the time in which the guest waits for the client to send. No limit of its
    /// own unless set. The visitor gets a 504. An answer begins to leave when
    /// it is flushed, complete, or over 64 KiB.
    #[must_use]
    pub fn head_time_max(mut self, time: Duration) -> Self {
        self.head_time_max = time;
        self
    }

    /// The longest time from admission to the end of the answer, without the
    /// time in which the guest waits for the client to send or to take bytes:
    /// the front-end limits that. 60 s unless set, which is how long nginx
    /// waits. The visitor gets a 504, if no answer has begun.
    #[must_use]
    pub fn wall_time_max(mut self, time: Duration) -> Self {
        self.wall_time_max = time;
        self
    }

    /// The longest time from admission to the end of the answer altogether.
    /// 1 h unless set: no client can hold a place for longer, however it
    /// drips.
    #[must_use]
    pub fn duration_max(mut self, time: Duration) -> Self {
        self.duration_max = time;
        self
    }

    /// The most processor time, accurate to 10 ms. 10 s unless set. The
    /// visitor gets a 504, if no answer has begun.
    #[must_use]
    pub fn cpu_time_max(mut self, time: Duration) -> Self {
        self.cpu_time_max = time;
        self
    }

    /// How long an instance may work on after its answer is complete.
    /// 30 s unless set.
    #[must_use]
    pub fn after_answer_max(mut self, time: Duration) -> Self {
        self.after_answer_max = time;
        self
    }

    /// The largest request body, bytes. 4 GiB unless set: bodies are streamed
    /// and take no memory, and web servers have limits of their own. The
    /// visitor gets a 413, unless the length was not announced and the
    /// application answers otherwise.
    #[must_use]
    pub fn request_body_max(mut self, bytes: u64) -> Self {
        self.request_body_bytes_max = bytes;
        self
    }

    /// The largest head of a response: the names and values of its fields,
    /// bytes. 64 KiB unless set, which is the most for all
    /// ([`HEAD_BYTES_MAX`](crate::cgi::HEAD_BYTES_MAX)), and more than some web servers take.
    /// The application is told, and the visitor gets a 500 if it has no better answer.
    #[must_use]
    pub fn response_head_max(mut self, bytes: usize) -> Self {
        self.response_head_bytes_max = bytes;
        self
    }

    /// The largest body of a response, bytes. No limit unless set: bodies are
    /// streamed and take no memory. The visitor gets a 502, or what left before.
    #[must_use]
    pub fn response_body_max(mut self, bytes: u64) -> Self {
        self.response_body_bytes_max = bytes;
        self
    }

    /// How many HTTP requests one request may send to other servers. 100 unless
    /// set.
    #[must_use]
    pub fn outbound_requests_max(mut self, requests: usize) -> Self {
        self.outbound_requests_max = requests;
        self
    }

    /// How much a request may write to its standard output and error, bytes.
    /// 64 KiB unless set; the rest is dropped, with a note.
    #[must_use]
    pub fn log_max(mut self, bytes: usize) -> Self {
        self.log_bytes_max = bytes;
        self
    }

    /// From which time since admission on a request is slow: the log is told
    /// once where its guest is. Never unless set.
    #[must_use]
    pub fn slow_after(mut self, time: Duration) -> Self {
        self.slow_after = Some(time);
        self
    }

    /// Whether the application's response may carry header fields that command
    /// the web server (`X-Accel-*`, `X-Sendfile`, `X-LIGHTTPD-*`, `Variable-*`).
    /// With them it reads any file that the web server can. No unless set.
    #[must_use]
    pub fn may_command_web_server(mut self, may: bool) -> Self {
        self.may_command_web_server = may;
        self
    }

    /// Whether an application that was not made to be an authorizer may be asked
    /// as one. Then its 200 lets a request pass, with a variable for each header
    /// field called `Variable-NAME`, and every other answer refuses it. No unless
    /// set: an application that answers 200 to anything lets everybody pass. One
    /// that exports `authorization` needs no such trust.
    #[must_use]
    pub fn may_authorize(mut self, may: bool) -> Self {
        self.may_authorize = may;
        self
    }

    /// By which of several interfaces that the application exports it is called:
    /// `native`, `http@0.3`, `http@0.2`, `cgi@0.3`, `cgi@0.2` or `cgi@0.1`. The
    /// first of these unless set.
    #[must_use]
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.interface = Some(name.into());
        self
    }

    /// What all requests of the application may take together: how many at a
    /// time, how many wait, and more. [`Budget::strict`] unless set.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// What the application may reach beyond its request. Nothing unless set.
    #[must_use]
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// The files that the granted secrets are read from.
    pub fn secret_files(&self) -> impl Iterator<Item = &Path> {
        self.grants.secrets.iter().map(|secret| &*secret.file)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::strict()
    }
}
