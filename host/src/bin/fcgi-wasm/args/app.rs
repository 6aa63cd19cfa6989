//! What an application may spend and reach, as flags.

use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args as ArgGroup, ValueEnum};
use fcgi_wasm::{
    AddressPattern, Budget, Folder, Grants, HostPattern, Policy, Secret, SendFileBy, SentFolder,
};

use super::values::{bytes, count, duration, granted, number, pair, size};

/// All that is said of an application beside its file.
#[derive(ArgGroup, Clone, Debug)]
pub(crate) struct AppArgs {
    /// Which interface to call it by, if it exports several
    ///
    /// One of native, http@0.3, http@0.2, cgi@0.3, cgi@0.2 and cgi@0.1. Unless
    /// set it is the first of these that the application exports.
    #[arg(long, value_name = "NAME")]
    pub(crate) interface: Option<String>,
    /// Let its plain 200 decide that requests pass, if it was not made as an authorizer
    ///
    /// A web server asks an authorizer whether a request may pass. With this an
    /// application that exports no `authorization` may be asked too: its answer
    /// 200 lets the request pass, with a variable for each header field called
    /// Variable-NAME; any other refuses it.
    #[arg(long)]
    pub(crate) authorizer: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
}

impl AppArgs {
    pub(crate) fn budget(&self) -> Budget {
        self.limits.budget()
    }

    pub(crate) fn policy(&self) -> Policy {
        let policy = self.limits.policy().grants(self.grants.grants());
        let policy = policy.may_authorize(self.authorizer);
        match &self.interface {
            Some(name) => policy.interface(name),
            None => policy,
        }
    }
}

#[derive(ArgGroup, Clone, Debug)]
#[command(next_help_heading = "What a request may take")]
pub(crate) struct Limits {
    /// Time to the end of its answer, without waiting for the client; over it the visitor gets a 504
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Time altogether, however slow the client is; over it the answer is cut off
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    pub(crate) max_duration: Duration,
    /// Processor time; over it the visitor gets a 504
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) cpu_time: Duration,
    /// Memory of its instance; over it the application usually fails, a 502
    #[arg(long, value_name = "SIZE", default_value = "128MiB", value_parser = size)]
    pub(crate) memory: ByteSize,
    /// Size of its body; over it the visitor gets a 413
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = bytes)]
    pub(crate) max_body: ByteSize,
    /// Requests at a time
    #[arg(long, value_name = "NUMBER", default_value = "128", value_parser = count)]
    pub(crate) max_concurrent: usize,
    /// Requests that wait for their turn; more get a 503 at once
    #[arg(long, value_name = "NUMBER", default_value = "1024", value_parser = number)]
    pub(crate) queue: usize,
    /// Let answers command the web server (X-Accel-Redirect, X-Sendfile and the like)
    ///
    /// With such header fields an application reads any file that the web
    /// server can read; without this they are dropped.
    #[arg(long)]
    pub(crate) allow_server_commands: bool,
    /// Files that the web server sends in its place (repeatable)
    ///
    /// What the application calls /files/x, the web server knows as /internal/x
    /// (for nginx, a location that is `internal`) or /srv/files/x (for Apache's
    /// mod_xsendfile and lighttpd, a path on the disk). The application asks
    /// for it by the header field `fcgi-wasm-send-file`.
    #[arg(long, value_name = "GUEST=WEB_SERVER", value_parser = SentFolder::parse)]
    pub(crate) send_file: Vec<SentFolder>,
    /// Which web server's way to ask it for a file [default: what it calls itself]
    #[arg(long, value_name = "SERVER", requires = "send_file")]
    pub(crate) send_file_by: Option<FileSender>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FileSender {
    /// X-Accel-Redirect
    Nginx,
    /// X-Sendfile
    Apache,
    /// X-LIGHTTPD-send-file
    Lighttpd,
}

impl From<FileSender> for SendFileBy {
    fn from(field: FileSender) -> Self {
        match field {
            FileSender::Nginx => Self::XAccelRedirect,
            FileSender::Apache => Self::XSendfile,
            FileSender::Lighttpd => Self::XLighttpdSendFile,
        }
    }
}

impl Limits {
    /// As large for the application as for its tenant: it is the only one. So
    /// its requests may have together what each of them may have.
    fn budget(&self) -> Budget {
        let memory_bytes = self.memory.as_u64();
        Budget::strict()
            .requests_max(self.max_concurrent)
            .queue_max(self.queue)
            .memory_max(memory_bytes.saturating_mul(self.max_concurrent as u64))
    }

    fn policy(&self) -> Policy {
        let mut policy = Policy::strict()
            .wall_time_max(self.timeout)
            .duration_max(self.max_duration)
            .cpu_time_max(self.cpu_time)
            .memory_max(self.memory.as_u64())
            .request_body_max(self.max_body.as_u64())
            .budget(self.budget())
            .may_command_web_server(self.allow_server_commands);
        for folder in &self.send_file {
            policy = policy.send_files(folder.clone());
        }
        match self.send_file_by {
            Some(field) => policy.send_file_by(field.into()),
            None => policy,
        }
    }
}

#[derive(ArgGroup, Clone, Debug)]
#[command(next_help_heading = "What the application may reach (nothing unless granted)")]
pub(crate) struct GrantArgs {
    /// A folder, under the application's name for it; `:ro` to read only (repeatable)
    #[arg(long, value_name = "HOST::GUEST[:ro]", value_parser = granted)]
    pub(crate) dir: Vec<Folder>,
    /// An environment variable (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,
    /// A setting, for applications that read wasi:config; also as --config KEY=VALUE (repeatable)
    ///
    /// A param of the request that is called WASI_CONFIG_ and the setting's
    /// name goes before it, so that a web server can set it by location.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) setting: Vec<(String, String)>,
    /// An environment variable with what is in a file, which nobody else may read (repeatable)
    #[arg(long, value_name = "NAME=FILE", value_parser = pair)]
    pub(crate) secret_env: Vec<(String, String)>,
    /// A setting with what is in a file, which nobody else may read (repeatable)
    #[arg(long, value_name = "KEY=FILE", value_parser = pair)]
    pub(crate) secret_setting: Vec<(String, String)>,
    /// A host to send HTTP requests to: a name, *.name or *, with a port if wanted (repeatable)
    #[arg(long, value_name = "HOST", value_parser = HostPattern::parse)]
    pub(crate) allow_host: Vec<HostPattern>,
    /// Let those hosts have addresses of this machine, its public ones included, and of private
    /// networks
    #[arg(long, requires = "allow_host")]
    pub(crate) allow_private_hosts: bool,
    /// An address for TCP and UDP sockets, like 127.0.0.1:5432 or 10.0.0.0/8 (repeatable)
    #[arg(long, value_name = "ADDRESS", value_parser = AddressPattern::parse)]
    pub(crate) allow_net: Vec<AddressPattern>,
}

impl GrantArgs {
    fn grants(&self) -> Grants {
        let mut grants = Grants::none().private_hosts(self.allow_private_hosts);
        for folder in &self.dir {
            grants = grants.folder(folder.clone());
        }
        for (name, value) in &self.env {
            grants = grants.variable(name, value);
        }
        for (name, value) in &self.setting {
            grants = grants.setting(name, value);
        }
        for (name, file) in &self.secret_env {
            grants = grants.secret(Secret::variable(name, file));
        }
        for (name, file) in &self.secret_setting {
            grants = grants.secret(Secret::setting(name, file));
        }
        for pattern in &self.allow_host {
            grants = grants.host(pattern.clone());
        }
        for pattern in &self.allow_net {
            grants = grants.address(pattern.clone());
        }
        grants
    }
}
