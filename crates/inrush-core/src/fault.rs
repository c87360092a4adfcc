//! How a server misbehaves on purpose: at this phase, in this way, for these connections. Data
//! only.

use crate::time::Nanos;
use serde::{Deserialize, Serialize};

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// close() at once after accept.
    CloseAfterAccept,
    /// RST at once after accept.
    RstAfterAccept,
    /// close() this long after accept.
    CloseAfter(Nanos),
    /// close() after the first write.
    CloseAfterFirstWrite,
    /// Never closes, reads nothing.
    Leak,
    /// RST when the first byte comes.
    RstOnFirstByte,
    /// close() with the first byte unread.
    CloseOnFirstByte,
    /// Answers the upgrade with bytes that are no HTTP.
    GarbageUpgrade,
    /// Swallows a reply.
    DropReply,
    /// Holds a reply back for so long; those after it overtake it.
    DelayReply(Nanos),
    /// Sends a reply twice.
    DuplicateReply,
    /// Changes a byte of a reply.
    CorruptReply,
    /// The whole server stops for the first length, once in each second length.
    Pause(Nanos, Nanos),
    /// Accepts one connection each so long.
    SlowAccept(Nanos),
    /// Says a frame in the middle of another, as two writers without a lock do (WebSockets only).
    InterleaveFrames,
    /// close() after half of a reply.
    CloseMidWrite,
    /// RST after half of a reply.
    RstMidWrite,
    /// Never accepts.
    StallAccept,
    /// Never answers the TLS hand-shake.
    StallTls,
    /// Never (or so much later) answers the upgrade.
    StallUpgrade(Nanos),
    /// Answers the upgrade with this status.
    RejectUpgrade(u16),
    /// Answers the TLS hand-shake with the alert protocol_version (plain servers only).
    RefuseTls,
    /// Answers with frames of an opcode that does not exist (WebSockets only).
    BadOpcode,
    /// A message of more bytes than this is answered with Close 1009 (WebSockets only).
    MessageLimit(u32),
    /// Sends half a frame header and goes silent.
    HalfFrame,
    /// Sends a Close frame with this code after the first message (or 1 s after the upgrade).
    CloseCode(u16),
    /// Reads one byte each 10 ms.
    SlowRead,
    /// The process dies after so many accepted connections.
    DieAfterCount(u32),
    /// The process dies after so long.
    DieAfterTime(Nanos),
    /// The process has no more descriptors than this.
    FdLimit(u32),
}

/// Which connections, or for reply faults which replies, it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// All.
    All,
    /// Each with this chance, in millionths, drawn from the seed.
    Ratio(u32),
    /// Each n-th.
    Every(u32),
    /// The first n.
    First(u32),
    /// All after the first n.
    After(u32),
}

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// Whom.
    pub select: Select,
}

impl Select {
    /// Whether the `ordinal`-th (from 0) is hit. `seed` makes ratios repeatable.
    pub fn hits(self, seed: u64, ordinal: u64) -> bool {
        match self {
            Self::All => true,
            Self::Ratio(millionths) => {
                crate::pace::mix(seed ^ ordinal.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % 1_000_000
                    < u64::from(millionths)
            }
            Self::Every(n) => n > 0 && (ordinal + 1).is_multiple_of(u64::from(n)),
            Self::First(n) => ordinal < u64::from(n),
            Self::After(n) => ordinal >= u64::from(n),
        }
    }
}

impl Kind {
    /// Whether it is chosen per reply instead of per connection.
    pub fn per_reply(self) -> bool {
        matches!(
            self,
            Self::DropReply
                | Self::DelayReply(_)
                | Self::DuplicateReply
                | Self::CorruptReply
                | Self::InterleaveFrames
        )
    }

    /// Whether it needs one process with one loop: it counts, or it is about the process.
    pub fn wants_one_loop(self, select: Select) -> bool {
        matches!(select, Select::Every(_) | Select::First(_) | Select::After(_))
            || matches!(self, Self::DieAfterCount(_) | Self::FdLimit(_) | Self::SlowAccept(_))
    }
}

#[cfg(test)]
mod tests {
    use super::Select;

    #[test]
    fn selections_hit_what_they_say() {
        let hits = |s: Select, n: u64| (0..n).filter(|i| s.hits(1, *i)).count();
        assert_eq!(hits(Select::All, 10), 10);
        assert_eq!(hits(Select::Every(3), 10), 3);
        assert_eq!(hits(Select::First(4), 10), 4);
        assert_eq!(hits(Select::After(4), 10), 6);
        let about = hits(Select::Ratio(50_000), 100_000);
        assert!((4_500..5_500).contains(&about), "{about}");
        assert_eq!(about, hits(Select::Ratio(50_000), 100_000));
    }
}
