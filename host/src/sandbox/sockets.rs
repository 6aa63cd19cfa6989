//! How much the system keeps for a guest's sockets, which is on nobody's account.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::sockets::network::IpAddressFamily as Family02;
use wasmtime_wasi::p2::bindings::sockets::tcp::HostTcpSocket as Tcp02;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as CreateTcp02;
use wasmtime_wasi::p2::bindings::sockets::udp::HostUdpSocket as Udp02;
use wasmtime_wasi::p2::bindings::sockets::udp_create_socket::Host as CreateUdp02;
use wasmtime_wasi::p3::bindings::sockets::types::{
    HostTcpSocket as Tcp03, HostUdpSocket as Udp03, IpAddressFamily as Family03,
};
use wasmtime_wasi::sockets::{self, WasiSocketsView};

use super::guest::Guest;
use super::runtime::Flavour;
use super::worlds::as_told;

/// How much the system may keep for a socket of what came for it, and as much of what it
/// is to send, bytes. It takes up to twice that (socket(7), SO_RCVBUF). Otherwise Linux
/// lets a connection have some 6 MB, and a UDP socket as much as `net.core.rmem_max`.
const BUFFER_BYTES_MAX: u64 = 64 * 1024;

/// As how many handles a socket counts, which are 64 KiB each: what the system may take
/// for both of its buffers.
pub(super) const HANDLES: u64 = 4;

/// Gives an interface's sockets no larger buffers than that.
macro_rules! bound {
    ($interface:ident, $name:literal, $host:ident, $socket:ty) => {
        bound!(
            $interface,
            $name,
            ".set-receive-buffer-size",
            $host::set_receive_buffer_size,
            $socket
        );
        bound!(
            $interface,
            $name,
            ".set-send-buffer-size",
            $host::set_send_buffer_size,
            $socket
        );
    };
    ($interface:ident, $name:literal, $method:literal, $set:path, $socket:ty) => {
        $interface.func_wrap(
            concat!("[method]", $name, $method),
            |mut store: StoreContextMut<Guest>, (socket, bytes): (Resource<$socket>, u64)| {
                let sockets = &mut store.data_mut().sockets();
                Ok((as_told($set(sockets, socket, bytes.min(BUFFER_BYTES_MAX)))?,))
            },
        )?;
    };
}

/// Sets the size of a new socket's buffers.
macro_rules! small {
    ($host:ident, $sockets:ident, $created:expr) => {
        $created.and_then(|socket| {
            let again = || Resource::new_borrow(socket.rep());
            $host::set_receive_buffer_size($sockets, again(), BUFFER_BYTES_MAX)?;
            $host::set_send_buffer_size($sockets, again(), BUFFER_BYTES_MAX)?;
            Ok(socket)
        })
    };
}

/// Puts ours in the place of wasmtime's, which it calls.
pub(super) fn link(linker: &mut Linker<Guest>, flavour: Flavour) -> Result<()> {
    let mut tcp = linker.instance("wasi:sockets/tcp@0.2.12")?;
    bound!(tcp, "tcp-socket", Tcp02, p2::TcpSocket);
    let mut udp = linker.instance("wasi:sockets/udp@0.2.12")?;
    bound!(udp, "udp-socket", Udp02, p2::UdpSocket);
    let mut create = linker.instance("wasi:sockets/tcp-create-socket@0.2.12")?;
    create.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<Guest>, (family,): (Family02,)| {
            let sockets = &mut store.data_mut().sockets();
            let created = sockets.create_tcp_socket(family);
            Ok((as_told(small!(Tcp02, sockets, created))?,))
        },
    )?;
    let mut create = linker.instance("wasi:sockets/udp-create-socket@0.2.12")?;
    create.func_wrap_async(
        "create-udp-socket",
        |mut store: StoreContextMut<Guest>, (family,): (Family02,)| {
            Box::new(async move {
                let sockets = &mut store.data_mut().sockets();
                let created = sockets.create_udp_socket(family).await;
                Ok((as_told(small!(Udp02, sockets, created))?,))
            })
        },
    )?;
    if flavour == Flavour::Concurrent {
        link_concurrent(linker)?;
    }
    Ok(())
}

fn link_concurrent(linker: &mut Linker<Guest>) -> Result<()> {
    let mut types = linker.instance("wasi:sockets/types@0.3.0")?;
    bound!(types, "tcp-socket", Tcp03, sockets::TcpSocket);
    bound!(types, "udp-socket", Udp03, sockets::UdpSocket);
    types.func_wrap(
        "[static]tcp-socket.create",
        |mut store: StoreContextMut<Guest>, (family,): (Family03,)| {
            let sockets = &mut store.data_mut().sockets();
            let created = Tcp03::create(sockets, family);
            Ok((as_told(small!(Tcp03, sockets, created))?,))
        },
    )?;
    types.func_wrap_async(
        "[static]udp-socket.create",
        |mut store: StoreContextMut<Guest>, (family,): (Family03,)| {
            Box::new(async move {
                let sockets = &mut store.data_mut().sockets();
                let created = Udp03::create(sockets, family).await;
                Ok((as_told(small!(Udp03, sockets, created))?,))
            })
        },
    )
}
