//! Where texts mislead (CATALOGUE part 4), each by its number, and lines that are no failures.

use inrush_core::explain::{Explainer, Said};
use inrush_core::failure::{Class, Outcome};

fn check(cases: &[(&str, &str)]) {
    let explainer = Explainer::new();
    for (text, expected) in cases {
        let class = explainer.explain(text, None).class.map_or("unknown", Class::id);
        assert_eq!(class, *expected, "{text}");
    }
}

#[test]
fn look_ups_of_localhost_mean_descriptors_and_true_ones_name_their_server() {
    check(&[
        ("dial tcp: lookup localhost: no such host", "dns-failure-fd-exhausted"),
        ("dial tcp: lookup localhost on 10.0.0.2:53: no such host", "dns-failure"),
        ("Error: getaddrinfo ENOTFOUND localhost", "dns-failure-fd-exhausted"),
        ("Error: getaddrinfo EMFILE api.example", "dns-failure-fd-exhausted"),
        ("Error: getaddrinfo ENOTFOUND localhost.example", "dns-failure"),
    ]);
}

#[test]
fn words_that_cover_several_causes_say_one_and_a_file_is_no_connection() {
    check(&[
        (
            "curl: (7) Failed to connect to h port 1 after 0 ms: Couldn't connect to server",
            "refused",
        ),
        ("OSError: [Errno 24] Too many open files: '/var/log/app.log'", "not-a-connection-failure"),
        ("Error: EMFILE: too many open files, open '/tmp/x'", "not-a-connection-failure"),
        ("open /etc/app/x.yaml: too many open files", "not-a-connection-failure"),
        ("Error: EACCES: permission denied, open '/etc/shadow'", "not-a-connection-failure"),
    ]);
}

#[test]
fn the_jdk_hides_a_refusal_in_a_closed_channel() {
    let refused = "java.net.ConnectException\nCaused by: java.net.ConnectException\nCaused by: \
                   java.nio.channels.ClosedChannelException";
    let closed = "java.nio.channels.ClosedChannelException\n\tat a.b(C.java:1)";
    check(&[(refused, "refused"), (closed, "local-use-after-close")]);
}

#[test]
fn the_same_number_means_different_things() {
    check(&[
        ("Resource temporarily unavailable (os error 11)", "io-timeout"),
        ("failed to spawn thread: Resource temporarily unavailable (os error 11)", "thread-limit"),
        ("connect() failed: Address already in use (errno=98)", "ephemeral-ports-exhausted"),
        ("bind() failed: Address already in use (errno=98)", "address-in-use"),
        ("connect() failed: Cannot assign requested address", "ephemeral-ports-exhausted"),
        ("bind() failed: Cannot assign requested address", "address-not-local"),
        ("connect failed: errno 61", "refused"),
        ("connect failed: errno 111", "refused"),
        ("connect failed: error 10061", "refused"),
        ("recv failed: errno 54", "reset-on-read"),
        ("recv failed: errno 104", "reset-on-read"),
        ("accept failed: errno 24", "fd-exhausted-process"),
        ("bind failed: errno 48", "address-in-use"),
    ]);
}

#[test]
fn an_abort_is_what_stands_inside_it() {
    let requests = "requests.exceptions.ConnectionError: ('Connection aborted.', ";
    check(&[
        (
            &format!("{requests}ConnectionResetError(104, 'Connection reset by peer'))"),
            "reset-on-read",
        ),
        (
            &format!(
                "{requests}RemoteDisconnected('Remote end closed connection without response'))"
            ),
            "eof-unexpected",
        ),
        (&format!("{requests}BrokenPipeError(32, 'Broken pipe'))"), "broken-pipe"),
        ("AxiosError: timeout of 300ms exceeded, code: 'ECONNABORTED'", "io-timeout"),
    ]);
}

#[test]
fn a_code_in_a_frame_that_must_not_be_sent_breaks_the_protocol() {
    check(&[
        ("websocket: close 1006 (abnormal closure): unexpected EOF", "ws-close-abnormal"),
        ("RangeError: Invalid WebSocket frame: invalid status code 1006", "ws-protocol-error"),
        ("websocket: bad close code 1005", "ws-protocol-error"),
        ("websocket: close 1005 (no status)", "ws-close-no-status"),
    ]);
}

#[test]
fn a_wrong_version_number_is_plain_text_and_an_alert_is_the_true_one() {
    check(&[
        ("error:0A00010B:SSL routines::wrong version number", "protocol-mismatch"),
        ("error:0A00042E:SSL routines::tlsv1 alert protocol version", "tls-alert"),
        (
            "ssl.SSLError: [SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version",
            "tls-alert",
        ),
    ]);
}

#[test]
fn what_stands_between_a_proxy_and_its_upstream_belongs_there() {
    let nginx = "connect() failed (111: Connection refused) while connecting to upstream";
    check(&[(nginx, "proxy-upstream-failure")]);
}

#[test]
fn prose_in_other_languages_is_read_after_numbers() {
    check(&[
        ("accept: Zu viele offene Dateien", "fd-exhausted-process"),
        (
            "OSError: [WinError 10055] 由于系统缓冲区空间不足或队列已满，不能执行套接字上的操作。",
            "no-buffer-space",
        ),
        ("connect: Connexion refusée", "refused"),
        ("connect: Conexión rehusada", "refused"),
        ("read: Соединение разорвано другой стороной", "reset-on-read"),
        ("connect: 接続を拒否されました", "refused"),
        ("[Errno 98] Die Adresse wird bereits verwendet", "address-in-use"),
    ]);
}

#[test]
fn ordinary_lines_raise_no_alarm() {
    let explainer = Explainer::new();
    let mut alarms = Vec::new();
    for text in include_str!("ordinary.txt").lines().filter(|line| !line.is_empty()) {
        let class = explainer.explain(&text.replace("\\n", "\n"), None).class;
        if !matches!(class, None | Some(Class::NotAConnectionFailure)) {
            alarms.push(format!("{class:?}: {text}"));
        }
    }
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

#[test]
fn a_status_and_a_code_are_told() {
    let said = |text: &str| Explainer::new().explain(text, None).said;
    let code = |text: &str, expected| assert_eq!(said(text).code, expected, "{text}");
    code("Error: Unexpected server response: 401", Some(401));
    code("websocket: close 1011 (internal server error)", Some(1011));
    code("received 4001 (private use); then sent 4001 (private use)", Some(4001));
    code("dial tcp 10.0.0.1:4001: connect: connection refused", None);
    let Said { outcome, .. } = said("connect ECONNREFUSED 127.0.0.1:9001");
    assert!(matches!(outcome, Some(Outcome::Errno(_))));
}
