//! Secrets are shown as `***` in every output: the report contains the command line.

use std::borrow::Cow;

const MASK: &str = "***";

/// A command line with its secrets masked: values of `Authorization`, `Cookie` and `*-Token`
/// headers, user-info of URLs. Doing it twice changes nothing.
pub(crate) fn command(arguments: &[String]) -> Vec<String> {
    let mut header_follows = false;
    let mut masked = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let glued = ["--header=", "-H="].into_iter().find(|flag| argument.starts_with(flag));
        let glued =
            glued.or_else(|| (argument.len() > 2 && argument.starts_with("-H")).then_some("-H"));
        masked.push(match glued {
            _ if header_follows => header(argument),
            Some(flag) => format!("{flag}{}", header(&argument[flag.len()..])),
            None => url(argument),
        });
        // `-nH 'K: V'`: clap lets short flags be written together, and the value follows.
        let short = argument.starts_with('-') && !argument.starts_with("--");
        let clustered = short && argument.ends_with('H') && !argument.contains([' ', ':']);
        header_follows = !header_follows && (argument == "--header" || clustered);
    }
    masked
}

/// A URL with its user-info masked; anything else as it is.
pub(crate) fn url(text: &str) -> String {
    let Some((before, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{before}://{MASK}{}", &rest[at..]),
        None => text.to_owned(),
    }
}

/// A text with the user-info of every URL in it masked; a URL ends at a quote or a space.
pub(crate) fn urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for part in text.split_inclusive(['\'', '"', ' ', '\n']) {
        masked.push_str(&url(part));
    }
    masked
}

/// `Name: value`, masked when the name says that it is a secret.
fn header(text: &str) -> String {
    match text.split_once(':') {
        Some((name, _)) if is_secret(name) => format!("{name}: {MASK}"),
        _ => text.to_owned(),
    }
}

fn is_secret(name: &str) -> bool {
    let name: Cow<'_, str> = name.trim().to_ascii_lowercase().into();
    let known = ["authorization", "proxy-authorization", "cookie", "token"];
    known.contains(&&*name) || name.ends_with("-token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_are_written() {
        let check = |line: &[&str], expected: &[&str]| {
            let line: Vec<_> = line.iter().map(|word| (*word).to_owned()).collect();
            let once = command(&line);
            assert_eq!(once, expected);
            assert_eq!(command(&once), expected, "masking twice changes nothing");
        };
        check(
            &["inrush", "run", "ws://me:pw@h/?a=@b", "-H", "Authorization: Bearer x", "-c", "1"],
            &["inrush", "run", "ws://***@h/?a=@b", "-H", "Authorization: ***", "-c", "1"],
        );
        check(&["-HCookie: a=b"], &["-HCookie: ***"]);
        check(&["--header=x-api-token:t"], &["--header=x-api-token: ***"]);
        check(&["--header", "COOKIE: t"], &["--header", "COOKIE: ***"]);
        check(&["-nH", "X-Token: t"], &["-nH", "X-Token: ***"]);
        check(&["-H", "Accept: a", "ws://h/a@b"], &["-H", "Accept: a", "ws://h/a@b"]);
    }
}
