//! A hundred thousand lines are read in seconds (the promise is for a release build; a debug build
//! is held to reading a tenth of them in the time).

use inrush_core::explain::Explainer;
use inrush_core::explain::log::{Groups, Joiner};
use std::time::{Duration, Instant};

const LINES: [&str; 8] = [
    "2026-11-21T02:07:13.123Z INFO  request handled method=GET path=/api/v1/items status=200 in 12ms",
    "2026/11/21 02:07:13 write tcp 10.0.0.1:40312->10.0.0.2:80: write: broken pipe",
    "Nov 21 02:07:13 web-1 app[312]: GET /health 200 3.1ms - 1234 bytes from 10.3.2.1",
    "{\"level\":\"info\",\"ts\":1763690833.1,\"msg\":\"served\",\"path\":\"/x\",\"status\":200}",
    "Error: connect ECONNREFUSED 127.0.0.1:9001",
    "    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)",
    "2026-11-21 02:07:13.123 DEBUG 17 --- [nio-8080-exec-3] c.e.Api : user 1234 loaded 12 rows",
    "10.1.2.3 - - [21/Nov/2026:02:07:13 +0000] \"GET /index.html HTTP/1.1\" 200 612 \"-\" \"curl\"",
];

#[test]
fn a_long_log_is_read_in_seconds() {
    let lines = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let explainer = Explainer::new();
    let (mut groups, mut joiner) = (Groups::default(), Joiner::default());
    let begun = Instant::now();
    for line in LINES.iter().cycle().take(lines) {
        if let Some(message) = joiner.push(line) {
            groups.add(&explainer, &message, None);
        }
    }
    let took = begun.elapsed();
    println!("{lines} lines in {took:?}");
    // Three times the promise: other tests run beside this one.
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(groups.sorted().len(), 2, "{:?}", groups.sorted());
}
