//! Error numbers of three systems: which number, symbol and words stand for which error, and where
//! in a text a number is one. Numbers differ (refused is 111, 61 and 10061), so the words beside it
//! and the range it lies in say whose it is.

pub(super) mod words;

use super::text::last;
use crate::errno::Errno;

/// A system whose numbers and words a text may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux, glibc.
    Linux,
    /// macOS and the BSDs.
    Macos,
    /// Windows, Winsock.
    Windows,
}

impl System {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Linux, Self::Macos, Self::Windows];
}

/// One error on all three systems.
#[derive(Debug)]
struct Row {
    errno: Errno,
    /// `sys/errno.h` of macOS.
    macos: u16,
    /// `winsock2.h`; 0 where Winsock has none.
    windows: u16,
    /// strerror(3) of macOS, where it differs from glibc's.
    macos_words: &'static str,
    /// FormatMessage of Windows, without its full stop; empty where Winsock has none.
    windows_words: &'static str,
}

const fn row(
    errno: Errno,
    macos: u16,
    windows: u16,
    macos_words: &'static str,
    windows_words: &'static str,
) -> Row {
    Row { errno, macos, windows, macos_words, windows_words }
}

static ROWS: &[Row] = &[
    row(Errno::EPERM, 1, 0, "", ""),
    row(Errno::EBADF, 9, 10009, "", "The file handle supplied is not valid"),
    row(
        Errno::EAGAIN,
        35,
        10035,
        "Resource temporarily unavailable",
        "A non-blocking socket operation could not be completed immediately",
    ),
    row(Errno::ENOMEM, 12, 0, "", ""),
    row(
        Errno::EACCES,
        13,
        10013,
        "",
        "An attempt was made to access a socket in a way forbidden by its access \
                  permissions",
    ),
    row(Errno::EINVAL, 22, 10022, "", "An invalid argument was supplied"),
    row(Errno::ENFILE, 23, 0, "", ""),
    row(Errno::EMFILE, 24, 10024, "", "Too many open sockets"),
    row(Errno::EPIPE, 32, 0, "", ""),
    row(
        Errno::ENOTSOCK,
        38,
        10038,
        "",
        "An operation was attempted on something that is not a socket",
    ),
    row(
        Errno::EADDRINUSE,
        48,
        10048,
        "",
        "Only one usage of each socket address (protocol/network address/port) is \
                  normally permitted",
    ),
    row(
        Errno::EADDRNOTAVAIL,
        49,
        10049,
        "Can't assign requested address",
        "The requested address is not valid in its context",
    ),
    row(Errno::ENETDOWN, 50, 10050, "", "A socket operation encountered a dead network"),
    row(
        Errno::ENETUNREACH,
        51,
        10051,
        "",
        "A socket operation was attempted to an unreachable network",
    ),
    row(
        Errno::ENETRESET,
        52,
        10052,
        "",
        "The connection has been broken due to keep-alive activity detecting a failure \
                  while the operation was in progress",
    ),
    row(
        Errno::ECONNABORTED,
        53,
        10053,
        "",
        "An established connection was aborted by the software in your host machine",
    ),
    row(
        Errno::ECONNRESET,
        54,
        10054,
        "",
        "An existing connection was forcibly closed by the remote host",
    ),
    row(
        Errno::ENOBUFS,
        55,
        10055,
        "",
        "An operation on a socket could not be performed because the system lacked \
                  sufficient buffer space or because a queue was full",
    ),
    row(
        Errno::ENOTCONN,
        57,
        10057,
        "Socket is not connected",
        "A request to send or receive data was disallowed because the socket is not \
                  connected",
    ),
    row(
        Errno::ETIMEDOUT,
        60,
        10060,
        "Operation timed out",
        "A connection attempt failed because the connected party did not properly \
                  respond after a period of time, or established connection failed because \
                  connected host has failed to respond",
    ),
    row(
        Errno::ECONNREFUSED,
        61,
        10061,
        "",
        "No connection could be made because the target machine actively refused it",
    ),
    row(
        Errno::EHOSTDOWN,
        64,
        10064,
        "",
        "A socket operation failed because the destination host was down",
    ),
    row(
        Errno::EHOSTUNREACH,
        65,
        10065,
        "",
        "A socket operation was attempted to an unreachable host",
    ),
];

/// The errors that all of this is about.
pub fn known() -> impl Iterator<Item = Errno> {
    ROWS.iter().map(|row| row.errno)
}

/// The number of an error on a system, where it has one.
pub fn number(errno: Errno, system: System) -> Option<u16> {
    let row = ROWS.iter().find(|row| row.errno == errno)?;
    match system {
        System::Linux => Some(errno.0),
        System::Macos => Some(row.macos),
        System::Windows => Some(row.windows).filter(|number| *number > 0),
    }
}

/// The words of an error on a system, where it has some.
pub fn words(errno: Errno, system: System) -> Option<&'static str> {
    let row = ROWS.iter().find(|row| row.errno == errno)?;
    match system {
        System::Macos if !row.macos_words.is_empty() => Some(row.macos_words),
        System::Linux | System::Macos => Some(errno.meaning()),
        System::Windows => Some(row.windows_words).filter(|words| !words.is_empty()),
    }
}

/// What a number that a text calls an error number stands for; `said` is the error whose words
/// stand beside it. Linux comes first; a number that is no network error there may be another's.
pub(super) fn error(number: u32, said: Option<Errno>) -> Option<Errno> {
    let number = u16::try_from(number).ok()?;
    let of = |system: System| {
        ROWS.iter().map(|row| row.errno).find(|errno| self::number(*errno, system) == Some(number))
    };
    let mut candidates = System::ALL.into_iter().filter_map(of);
    if said.is_some_and(|said| candidates.clone().any(|errno| errno == said)) {
        return said;
    }
    candidates.next()
}

/// Numbers of errors that no connection gives (Linux, `errno-base.h`): files, arguments, processes.
pub(super) fn is_foreign(number: u32) -> bool {
    matches!(number, 2 | 3 | 5..=8 | 10 | 14..=21 | 25..=31 | 33 | 34 | 39 | 40)
}

/// Where in a text a number stands that it calls an error number: offset and value.
pub(super) fn spotted(lower: &str) -> impl Iterator<Item = (usize, u32)> {
    let bytes = lower.as_bytes();
    let begins = move |at: &usize| {
        bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[*at - 1].is_ascii_alphanumeric())
    };
    (0..bytes.len()).filter(begins).filter_map(move |at| {
        let length = bytes[at..].iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        let value = lower[at..at + length].parse().ok().filter(|_| length <= 5)?;
        is_called_so(&lower[..at], value).then_some((at, value))
    })
}

/// Whether what stands before a number calls it an error number.
fn is_called_so(before: &str, value: u32) -> bool {
    let before = last(before, 40);
    let lax = before.ends_with(['(', '[', '#', ' ', ':', '=']);
    let before = before.trim_end_matches([' ', ':', '=', '[', '(', '#', '"', '\'', '-', '<', '\\']);
    let ends = |words: &[&str]| words.iter().any(|word| before.ends_with(word));
    if ends(&[
        "errno",
        "system error",
        "os error",
        "oserror",
        "os_error",
        "syserr",
        "strerror",
        "osstatus",
    ]) {
        return true;
    }
    // Winsock's range is nobody else's; a lone number of it still needs to be called something.
    let winsock = (10_004..=10_112).contains(&value) || (11_001..=11_004).contains(&value);
    let called = ["error", "err", "code", "exception", "wsa", "rc", "failed", "getlasterror()"];
    winsock && lax && ends(&called)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn numbers_are_read_where_they_are_called_so() {
        let check = |text: &str, expected: &[u32]| {
            let found: Vec<u32> = spotted(&text.to_ascii_lowercase()).map(|(_, n)| n).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("[Errno 104] x", &[104]);
        check("os error 10054", &[10_054]);
        check("errno: -104, errno=54", &[104, 54]);
        check("SocketException (10061): x", &[10_061]);
        check("WSA Error 10060 after 10050 ms", &[10_060]);
        check("took 104 ms on port 10061", &[]);
        check("(\"errno\":-111)", &[111]);
    }

    #[test]
    fn a_number_belongs_to_the_system_whose_words_stand_beside_it() {
        let check = |number, said, expected| assert_eq!(error(number, said), expected, "{number}");
        check(104, None, Some(Errno::ECONNRESET));
        check(54, None, Some(Errno::ECONNRESET));
        check(61, None, Some(Errno::ECONNREFUSED));
        check(10_048, None, Some(Errno::EADDRINUSE));
        check(35, None, Some(Errno::EAGAIN));
        check(777, None, None);
        check(70_000, None, None);
    }
}
