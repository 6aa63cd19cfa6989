//! Sockets, and how much the system keeps for them.

use wasip3::sockets::types::{IpAddressFamily, TcpSocket, UdpSocket};

const LARGE: u64 = 1_000_000;

/// The sizes of new sockets' buffers, and when larger ones have been asked for.
pub(crate) fn buffers() -> String {
    let udp = UdpSocket::create(IpAddressFamily::Ipv4).unwrap();
    let tcp = TcpSocket::create(IpAddressFamily::Ipv4).unwrap();
    let sizes = || {
        [
            udp.get_receive_buffer_size().unwrap(),
            udp.get_send_buffer_size().unwrap(),
            tcp.get_receive_buffer_size().unwrap(),
            tcp.get_send_buffer_size().unwrap(),
        ]
    };
    let new = sizes();
    udp.set_receive_buffer_size(LARGE).unwrap();
    udp.set_send_buffer_size(LARGE).unwrap();
    tcp.set_receive_buffer_size(LARGE).unwrap();
    tcp.set_send_buffer_size(LARGE).unwrap();
    format!("{new:?} {:?}\n", sizes())
}
