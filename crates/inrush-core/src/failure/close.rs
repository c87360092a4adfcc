//! What the codes of Close frames are called.

/// A Close code by its name in RFC 6455 §7.4.1 and the IANA registry of WebSocket close codes.
pub const fn close_name(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no code",
        1006 => "abnormal closure",
        1007 => "invalid payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS hand-shake",
        3000 => "unauthorized",
        3003 => "forbidden",
        3008 => "timeout",
        3001..=3002 | 3004..=3007 | 3009..=3999 => "registered by a library",
        4000..=4999 => "private to this application",
        _ => "not registered",
    }
}

#[cfg(test)]
mod tests {
    use super::close_name;

    #[test]
    fn codes_have_the_names_of_the_registry() {
        let check = |code, expected| assert_eq!(close_name(code), expected);
        check(1011, "internal error");
        check(3000, "unauthorized");
        check(3001, "registered by a library");
        check(4999, "private to this application");
        check(1004, "not registered");
    }
}
