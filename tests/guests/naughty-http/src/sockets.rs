//! Sockets, and how much the system keeps for them.

use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

const LARGE: u64 = 1_000_000;

/// The sizes of new sockets' buffers, and when larger ones have been asked for.
pub(crate) fn buffers() -> String {
    let udp = create_udp_socket(IpAddressFamily::Ipv4).unwrap();
    let tcp = create_tcp_socket(IpAddressFamily::Ipv4).unwrap();
    let sizes = || {
        [
            udp.receive_buffer_size().unwrap(),
            udp.send_buffer_size().unwrap(),
            tcp.receive_buffer_size().unwrap(),
            tcp.send_buffer_size().unwrap(),
        ]
    };
    let new = sizes();
    udp.set_receive_buffer_size(LARGE).unwrap();
    udp.set_send_buffer_size(LARGE).unwrap();
    tcp.set_receive_buffer_size(LARGE).unwrap();
    tcp.set_send_buffer_size(LARGE).unwrap();
    format!("{new:?} {:?}\n", sizes())
}
