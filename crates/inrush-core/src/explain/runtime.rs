//! Who printed a text: runtimes, servers, proxies, tools. The list is open-ended by nature; what is
//! not in it is recognised by its words alone.

use serde::{Deserialize, Serialize};

macro_rules! runtimes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $shown:literal;)*) => {
        /// Who printed a text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Runtime { $(#[doc = $shown] $name,)* }

        impl Runtime {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable id, as `--from` takes it.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// As people write it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $shown,)* }
            }
        }
    };
}

runtimes! {
    Go = "go", "Go";
    Node = "node", "Node.js";
    Java = "java", "Java";
    Python = "python", "Python";
    Rust = "rust", "Rust";
    Ruby = "ruby", "Ruby";
    Php = "php", "PHP";
    Perl = "perl", "Perl";
    Dotnet = "dotnet", ".NET";
    Mono = "mono", "Mono";
    Erlang = "erlang", "Erlang";
    Elixir = "elixir", "Elixir";
    Lua = "lua", "Lua";
    Swift = "swift", "Swift";
    Dart = "dart", "Dart";
    C = "c", "a C library";
    Curl = "curl", "curl";
    Wget = "wget", "wget";
    Nc = "nc", "netcat";
    Socat = "socat", "socat";
    Openssl = "openssl", "OpenSSL";
    Nginx = "nginx", "nginx";
    Haproxy = "haproxy", "HAProxy";
    Envoy = "envoy", "Envoy";
    Apache = "apache", "Apache httpd";
    Caddy = "caddy", "Caddy";
    Traefik = "traefik", "Traefik";
    Aws = "aws", "an AWS load balancer";
    Kernel = "kernel", "the Linux kernel";
    Ss = "ss", "ss or nstat";
    Systemd = "systemd", "systemd";
    Docker = "docker", "a container engine";
    Redis = "redis", "Redis";
    Postgres = "postgres", "PostgreSQL";
    Mysql = "mysql", "MySQL";
    Mongodb = "mongodb", "MongoDB";
    Rabbitmq = "rabbitmq", "RabbitMQ";
    Mosquitto = "mosquitto", "Mosquitto";
    Mqtt = "mqtt", "an MQTT library or broker";
    Kafka = "kafka", "Kafka";
    Nats = "nats", "NATS";
    Browser = "browser", "a browser";
    Grpc = "grpc", "gRPC";
    Ssh = "ssh", "ssh";
    Git = "git", "git";
    Bash = "bash", "a shell";
}

impl Runtime {
    /// The one with this id.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|runtime| runtime.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::Runtime;

    #[test]
    fn ids_lead_back_to_their_runtime() {
        for runtime in Runtime::ALL {
            assert_eq!(Runtime::named(runtime.id()), Some(*runtime));
        }
        assert_eq!(Runtime::named("any"), None);
    }
}
