//! Every script of `inrush repro` in the machine made of numbers: the same calls come out in the
//! same way as on the real kernel, and the same class and cause are found.

mod sides;

use inrush_core::repro::script::{Call, Came, Side, Turn};
use inrush_core::repro::{How, Needs, Played, all, judge, play};
use sides::Sides;

fn scripts() -> impl Iterator<Item = (&'static inrush_core::repro::Scenario, &'static [Turn])> {
    all().iter().filter_map(|scenario| match scenario.how {
        How::Script(script) => Some((scenario, script)),
        How::Storm(_) | How::FullTable(_) | How::Missing(_) => None,
    })
}

fn told(played: &Played) -> String {
    let step = |step: &inrush_core::repro::Step| {
        let (turn, came) = (step.turn, step.came.symbol());
        format!("{} {} -> {came}", turn.side.name(), turn.call.words(turn.side))
    };
    played.steps.iter().map(step).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_script_comes_out_as_written_and_is_found() {
    let mut count = 0;
    for (scenario, script) in scripts() {
        let mut sides = Sides::new();
        let played = play(script, &mut sides);
        let name = scenario.name;
        assert!(played.as_written(script), "{name}:\n{}", told(&played));
        let found = judge(&played, &sides.facts(), sides.server());
        let cause = found.diagnoses.first().map(|diagnosis| diagnosis.cause.as_str());
        assert_eq!(found.class, Some(scenario.class), "{name}");
        assert_eq!(cause, Some(scenario.cause), "{name}: {:#?}", found.diagnoses);
        assert!(found.diagnoses.iter().all(|one| !one.because.is_empty()), "{name}");
        count += 1;
    }
    assert_eq!(count, 24);
}

/// FAILURES §2, the deterministic rows: what a client is told after each kind of end.
#[test]
fn the_order_matrix_is_told_call_by_call() {
    let check = |server: &[Call], client: &str, expected: &str| {
        let any = Came::Done;
        let mut script = vec![
            Turn::server(Call::Listen(8), any),
            Turn::client(Call::Connect(1_000), any),
            Turn::server(Call::Accept, any),
        ];
        script.extend(server.iter().map(|call| Turn::server(*call, any)));
        script.extend(client.chars().map(|call| match call {
            'r' => Turn::client(Call::Read(4_096), any),
            'w' => Turn::client(Call::Write(1), any),
            // The RST comes, or nothing for 30 ms.
            _ => Turn::client(Call::Reply(30), any),
        }));
        let mut sides = Sides::new();
        let came: Vec<String> = script
            .iter()
            .enumerate()
            .map(|(number, turn)| {
                (turn, inrush_core::repro::Machine::carry_out(&mut sides, number, turn))
            })
            .filter(|(turn, _)| turn.side == Side::Client)
            .filter(|(turn, _)| matches!(turn.call, Call::Read(_) | Call::Write(_)))
            .map(|(_, came)| came.symbol())
            .collect();
        assert_eq!(came.join(" "), expected, "{server:?} {client}");
    };
    let close = [Call::Close];
    check(&close, ".rrw.wr", "EOF EOF 1 B EPIPE EOF");
    check(&close, ".w.wr", "1 B EPIPE EOF");
    let answered = [Call::Write(5), Call::Close];
    check(&answered, ".rrw.w", "5 B EOF 1 B EPIPE");
    check(&answered, ".w.rrw", "1 B 5 B EOF EPIPE");
    let reset = [Call::Reset];
    check(&reset, ".wwr", "ECONNRESET EPIPE EOF");
    check(&reset, ".rrw", "ECONNRESET EOF EPIPE");
    let answered = [Call::Write(500), Call::Reset];
    check(&answered, ".rr", "500 B ECONNRESET");
    check(&answered, ".wwrr", "ECONNRESET EPIPE 500 B EOF");
    check(&[Call::ShutdownWrite], ".rw.w.", "EOF 1 B 1 B");
}

/// FAILURES §3: where a connection that hangs is on the server's side.
#[test]
fn the_hang_table_is_told_by_the_servers_side() {
    use inrush_core::failure::Peer;
    let check = |server: &[Call], client: &[Call], expected: Peer| {
        let mut sides = Sides::new();
        let any = Came::Done;
        let mut script = vec![Turn::server(Call::Listen(8), any)];
        script.push(Turn::client(Call::Connect(1_000), any));
        script.extend(client.iter().map(|call| Turn::client(*call, any)));
        script.extend(server.iter().map(|call| Turn::server(*call, any)));
        script.push(Turn::client(Call::Reply(50), any));
        for (number, turn) in script.iter().enumerate() {
            inrush_core::repro::Machine::carry_out(&mut sides, number, turn);
        }
        let look = inrush_core::repro::Machine::look(&mut sides, 0).unwrap();
        assert_eq!(look.peer, expected, "{server:?} {client:?}");
    };
    let asks = [Call::Write(5)];
    check(&[Call::Accept], &asks, Peer::Accepted { unread: true });
    check(&[Call::Accept, Call::Read(5)], &asks, Peer::Accepted { unread: false });
    check(&[], &asks, Peer::Queued);
    check(&[Call::Accept, Call::Forget], &[], Peer::Absent);
    check(&[Call::Accept, Call::Close], &[], Peer::Closing);
}

/// What a script does to a machine is told where it is listed.
#[test]
fn what_changes_the_network_needs_one_of_its_own() {
    for (scenario, script) in scripts() {
        let changes = script.iter().any(|turn| {
            turn.side == Side::Network || matches!(turn.call, Call::ConnectTo(_) | Call::Forget)
        });
        assert_eq!(changes, scenario.needs == Needs::Namespace, "{}", scenario.name);
    }
}
