//! Which addresses are of others on the public internet.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Addresses that no machine has: they are reserved (RFC 1112 §4, RFC 4291 §4).
const NOBODYS_V4: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 1);
const NOBODYS_V6: Ipv6Addr = Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 1);

/// Whether an address is of the public internet, and not one of this machine's:
/// what listens there may trust whoever comes from here, past a firewall.
pub(super) fn is_of_others(address: IpAddr) -> bool {
    let address = address.to_canonical();
    is_public(address) && !is_own(address)
}

/// Whether this machine has this address itself, and not something before it that
/// passes on what comes.
fn is_own(address: IpAddr) -> bool {
    let nobodys = match address {
        IpAddr::V4(_) => NOBODYS_V4.into(),
        IpAddr::V6(_) => NOBODYS_V6.into(),
    };
    // Where any can be bound to (`ip_nonlocal_bind`), this says nothing.
    can_be_bound(address) && !can_be_bound(nobodys)
}

fn can_be_bound(address: IpAddr) -> bool {
    let bound = UdpSocket::bind((address, 0));
    !matches!(bound, Err(error) if error.kind() == ErrorKind::AddrNotAvailable)
}

/// Whether an address can be reached from anywhere, so that a guest gains
/// nothing by being here: none of this machine, of a private network, or of a
/// special use (IANA's special-purpose address registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b); // RFC 6598
    let is_protocol = a == 192 && b == 0 && c == 0; // RFC 6890
    let is_benchmark = a == 198 && (b == 18 || b == 19); // RFC 2544
    !(a == 0
        || a >= 224 // multicast, reserved, broadcast
        || is_shared
        || is_protocol
        || is_benchmark
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Addresses that stand for an IPv4 one: NAT64 (RFC 6052) and 6to4
    // (RFC 3056).
    let inner = match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = inner {
        return is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    // Only 2000::/3 is given out at all, and of it not documentation
    // (RFC 3849, RFC 9637), Teredo and other protocols (RFC 2928).
    let is_global = segments[0] & 0xe000 == 0x2000;
    let is_documentation = segments[..2] == [0x2001, 0xdb8] || segments[0] & 0xfff0 == 0x3ff0;
    let is_protocol = segments[0] == 0x2001 && segments[1] < 0x200;
    is_global && !is_documentation && !is_protocol
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_addresses_are_told_from_others() {
        for (address, expected) in [
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("203.0.113.7", false),
            ("8.8.8.8", false),
        ] {
            let own = is_own(address.parse().expect(address));
            assert_eq!(own, expected, "{address}");
        }
        assert!(is_of_others(
            Ipv4Addr::new(8, 8, 8, 8).to_ipv6_mapped().into()
        ));
    }

    #[test]
    fn public_addresses_are_told_from_others() {
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            let address: IpAddr = public.parse().expect(public);
            assert!(is_public(address.to_canonical()), "{public}");
        }
        for other in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
        ] {
            let address: IpAddr = other.parse().expect(other);
            assert!(!is_public(address.to_canonical()), "{other}");
        }
    }
}
