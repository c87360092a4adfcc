//! Message brokers: MQTT libraries, Mosquitto and EMQX, RabbitMQ, Kafka, NATS, ActiveMQ, Pulsar.

use super::prelude::*;

pub(super) static GRAMMARS: &[Grammar] = &[
    Grammar { runtime: Some(Runtime::Mosquitto), phrases: &[MOSQUITTO], read: None, print: None },
    Grammar { runtime: Some(Runtime::Mqtt), phrases: &[MQTT], read: None, print: None },
    Grammar { runtime: Some(Runtime::Rabbitmq), phrases: &[RABBITMQ], read: None, print: None },
    Grammar { runtime: Some(Runtime::Kafka), phrases: &[KAFKA], read: None, print: None },
    Grammar { runtime: Some(Runtime::Nats), phrases: &[NATS], read: None, print: None },
];

static MOSQUITTO: &[Phrase] = &[
    mark("mosquitto"),
    mark("Client mosq*"),
    mark("Socket error on client"),
    mark("auto-*"),
    is("has exceeded timeout, disconnecting", Class::KeepaliveTimeout).last().side(Side::Client),
    is("Socket error on client", Class::EofUnexpected).side(Side::Client),
    is("closed its connection.", Class::EofCleanClose).side(Side::Either),
    is("Client connection from", Class::ServerConnLimit)
        .with(&["max_connections exceeded", "denied: max"])
        .last(),
    is("max_connections exceeded", Class::ServerConnLimit).last(),
    is(
        "Unable to accept new connection, system socket count has been exceeded",
        Class::FdExhaustedProcess,
    )
    .at(Printed::Accept)
    .side(Side::Server)
    .last(),
    is("system socket count has been exceeded", Class::FdExhaustedProcess)
        .at(Printed::Accept)
        .side(Side::Server)
        .last(),
    is("Error: The connection was lost.", Class::EofUnexpected),
    is("The connection was lost.", Class::EofUnexpected),
    is("Lookup error.", Class::DnsFailure),
    is("Unable to connect (Lookup error", Class::DnsFailure).last(),
    is("disconnected due to protocol error", Class::ProtocolMismatch)
        .in_(Phase::Open)
        .side(Side::Client),
    is("disconnected: Protocol error", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("due to malformed packet", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("due to oversize packet", Class::MessageTooBig),
    is("A TLS error occurred", Class::TlsAlert).weighs(WORDS - 2),
    is("OpenSSL Error[", Class::TlsAlert).weighs(WEAK + 1),
    harmless("New connection from").weighs(WORDS),
    harmless("New client connected from"),
    harmless("mosquitto version"),
    harmless("Opening ipv4 listen socket").weighs(WORDS - 5),
    harmless("disconnected, not authorised"),
    harmless("Connection Refused: not authorised"),
    harmless("Connection refused: not authorised"),
    harmless("Connection Refused: bad user name or password"),
    harmless("Connection Refused: identifier rejected"),
];

static MQTT: &[Phrase] = &[
    mark("MQTT"),
    mark("mqtt"),
    mark("emqx"),
    mark("paho"),
    mark("MqttException"),
    mark("emqx_*"),
    mark("hivemq"),
    mark("vernemq"),
    is("keepalive_timeout", Class::KeepaliveTimeout)
        .last()
        .side(Side::Client)
        .with(&["{", "shutdown", "reason", "mqtt", "emqx"]),
    is("Timed out waiting for a response from the server", Class::IoTimeout).weighs(SURE),
    is("Keepalive timeout", Class::KeepaliveTimeout).last(),
    is("keep alive timeout", Class::KeepaliveTimeout).last(),
    is("KEEP_ALIVE_TIMEOUT", Class::KeepaliveTimeout).last(),
    is("pingresp not received", Class::KeepaliveTimeout).last(),
    is("MQTT_ERR_KEEPALIVE", Class::KeepaliveTimeout).last(),
    is("No PINGRESP received", Class::KeepaliveTimeout).last(),
    is("MQTT_ERR_CONN_LOST", Class::EofUnexpected),
    is("MQTT_ERR_NO_CONN", Class::LocalUseAfterClose).side(Side::Client),
    is("MQTT_ERR_CONN_REFUSED", Class::Refused),
    is("Connection lost (32109)", Class::EofUnexpected).weighs(WORDS - 1),
    is("Client is not connected (32104)", Class::LocalUseAfterClose).side(Side::Client),
    is("(32104)", Class::LocalUseAfterClose).side(Side::Client),
    is("Unable to connect to server (32103)", Class::Refused).weighs(WORDS - 8),
    is("(32000)", Class::IoTimeout).weighs(SURE - 3),
    is("pingreq", Class::KeepaliveTimeout).with(&["timeout", "no response"]),
    is("pingresp", Class::KeepaliveTimeout).with(&["timeout", "timed out", "not receive", "no "]),
    is("reached_max_connections", Class::ServerConnLimit).last(),
    is("esockd_limiter", Class::ServerConnLimit).weighs(WORDS),
    is("server_unavailable", Class::ServerConnLimit).weighs(WORDS),
    is("connack timeout", Class::IoTimeout).last(),
    is("connack timeout", Class::IoTimeout),
    is("client disconnecting", Class::LocalUseAfterClose).side(Side::Client),
    is("Connection Refused: broker unavailable", Class::ServerConnLimit),
    is("Connection refused: Server unavailable", Class::ServerConnLimit),
    is("AMQJS0007E", Class::ResetOnRead).weighs(SURE - 5),
    is("AMQJS0008I", Class::EofUnexpected),
    is("AMQJS0003E", Class::IoTimeout),
    is("AMQJS0001E", Class::ConnectTimeout),
    is("AMQJS0004E", Class::KeepaliveTimeout),
    is("Not authorized", Class::NotAConnectionFailure).weighs(WORDS),
    is("frame_too_large", Class::MessageTooBig),
    is("accept_failed", Class::FdExhaustedProcess)
        .with(&["emfile"])
        .at(Printed::Accept)
        .side(Side::Server)
        .last(),
    is("packet too large", Class::MessageTooBig),
    is("sock_closed", Class::EofUnexpected).weighs(WORDS - 5),
    is("tcp_closed", Class::EofUnexpected).side(Side::Client),
];

static RABBITMQ: &[Phrase] = &[
    mark("rabbitmq"),
    mark("AMQP"),
    mark("amqp"),
    mark("rabbit"),
    mark("closing AMQP connection"),
    mark("pika"),
    mark("com.rabbitmq"),
    is("missed heartbeats from client", Class::KeepaliveTimeout).last().side(Side::Client),
    is("Heartbeat missing with heartbeat =", Class::KeepaliveTimeout).last(),
    is("MissedHeartbeatException", Class::KeepaliveTimeout).last(),
    is("Heartbeat timeout", Class::KeepaliveTimeout),
    is("client unexpectedly closed TCP connection", Class::EofUnexpected).side(Side::Client),
    is("{handshake_timeout,", Class::IoTimeout).side(Side::Client).last(),
    is("handshake_timeout", Class::IoTimeout).with(&["amqp", "rabbit"]).side(Side::Client).last(),
    is("{inet_error,etimedout}", Class::IoTimeout).side(Side::Client).last(),
    is("file descriptor limit alarm set", Class::FdExhaustedProcess)
        .at(Printed::Accept)
        .side(Side::Server)
        .last(),
    is("New connections will not be accepted until this alarm clears", Class::FdExhaustedProcess)
        .at(Printed::Accept)
        .side(Side::Server),
    is("connection limit (", Class::ServerConnLimit).with(&["is reached", "reached"]).last(),
    is("access to vhost", Class::ServerConnLimit).with(&["connection limit"]),
    is("number of connections limit", Class::ServerConnLimit),
    is("CONNECTION_FORCED", Class::EofUnexpected).weighs(SURE),
    is("AlreadyClosedException", Class::LocalUseAfterClose),
    is("{bad_header,<<", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client).last(),
    is("bad_header", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("ShutdownSignalException: connection error", Class::EofUnexpected).weighs(WORDS - 4),
    is("PRECONDITION_FAILED", Class::NotAConnectionFailure),
    is("ACCESS_REFUSED", Class::NotAConnectionFailure),
    is("NOT_FOUND - no queue", Class::NotAConnectionFailure),
    is("connection_closed_abruptly", Class::EofUnexpected).side(Side::Client),
    harmless("accepting AMQP connection"),
    harmless("Server startup complete"),
];

static KAFKA: &[Phrase] = &[
    mark("kafka"),
    mark("NetworkClient"),
    mark("Bootstrap broker"),
    mark("librdkafka"),
    mark("%3|"),
    mark("%4|"),
    mark("rdkafka#"),
    mark("Broker transport failure"),
    mark("bootstrap.servers"),
    mark("org.apache.kafka"),
    mark("[Producer clientId"),
    mark("[Consumer clientId"),
    mark("[AdminClient clientId"),
    mark("SocketServer"),
    is("could not be established. Node may not be available", Class::Refused).last(),
    is("could not be established. Broker may not be available", Class::Refused).last(),
    is("Broker may not be available", Class::Refused).weighs(SURE),
    is("Node may not be available", Class::Refused).weighs(SURE),
    is("disconnected", Class::EofUnexpected)
        .with(&["bootstrap broker", "node -1 disconnected", "brokertransportfailure"])
        .weighs(SURE - 2),
    is("terminated during authentication", Class::EofUnexpected).weighs(SURE),
    is("Connection to node", Class::EofUnexpected).with(&["disconnected"]).weighs(WORDS),
    is("DisconnectException", Class::EofUnexpected).weighs(WORDS),
    is("Broker: Disconnected", Class::EofUnexpected),
    is("Receive failed: Disconnected", Class::EofUnexpected),
    is("Disconnected (after", Class::EofUnexpected),
    is("Disconnected while requesting ApiVersion", Class::ProtocolMismatch).in_(Phase::Tls),
    is("might be caused by incorrect security.protocol configuration", Class::ProtocolMismatch)
        .in_(Phase::Tls),
    is("Failed to update metadata after", Class::IoTimeout),
    is("Timed out waiting for a node assignment", Class::ConnectTimeout).weighs(SURE),
    is("TimeoutException: Topic", Class::IoTimeout),
    is("Local: Timed out", Class::IoTimeout),
    is("REQTMOUT", Class::IoTimeout),
    is("Connection setup timed out", Class::ConnectTimeout),
    is("connection setup timed out", Class::ConnectTimeout),
    is("Local: Host resolution failure", Class::DnsFailure),
    is("No resolvable bootstrap urls given in bootstrap.servers", Class::DnsFailure).last(),
    is("Couldn't resolve server", Class::DnsFailure),
    is("All broker connections are down", Class::Refused).weighs(WORDS - 5),
    is("all broker connections are down", Class::Refused).weighs(WORDS - 5),
    is("client has run out of available brokers", Class::Refused).weighs(WORDS - 5),
    is("InvalidReceiveException", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("Invalid receive (size =", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("TooManyConnectionsException", Class::ServerConnLimit).last(),
    is("Too many connections from", Class::ServerConnLimit).last(),
    is("Rejected connection from", Class::ServerConnLimit),
    is("RecordTooLargeException", Class::MessageTooBig),
    is("MESSAGE_TOO_LARGE", Class::MessageTooBig),
    is("KAFKA_STORAGE_ERROR", Class::NotAConnectionFailure),
    is("LEADER_NOT_AVAILABLE", Class::NotAConnectionFailure),
    is("UNKNOWN_TOPIC_OR_PARTITION", Class::NotAConnectionFailure),
    is("SSL handshake failed", Class::TlsAlert).weighs(WORDS - 6),
    doing("Socket server failed to bind", Phase::Bind, Op::Bind),
    doing("Error while accepting connection", Phase::Accept, Op::Accept),
    amid("Error while accepting connection", Doing::Serving),
    is("Heartbeat session expired", Class::KeepaliveTimeout).last(),
    is("session timed out", Class::KeepaliveTimeout).with(&["kafka", "consumer", "zookeeper"]),
    is("Client session timed out, have not heard from server in", Class::KeepaliveTimeout).last(),
    is("Too many connections from /", Class::ServerConnLimit).last(),
    is("EndOfStreamException", Class::EofUnexpected).side(Side::Client),
    is("likely client has closed socket", Class::EofUnexpected).side(Side::Client),
    harmless("Kafka startTimeMs"),
    harmless("[KafkaServer id="),
    harmless("Kafka version:"),
];

static NATS: &[Phrase] = &[
    mark("nats:"),
    mark("nats-server"),
    mark("[nats]"),
    mark("Slow Consumer"),
    is("maximum connections exceeded", Class::ServerConnLimit).last(),
    is("maximum account active connections exceeded", Class::ServerConnLimit).last(),
    is("maximum active connections exceeded", Class::ServerConnLimit).last(),
    is("Stale Connection", Class::KeepaliveTimeout).last(),
    is("stale connection", Class::KeepaliveTimeout).last(),
    is("no servers available for connection", Class::Refused).last(),
    is("nats: connection closed", Class::LocalUseAfterClose).side(Side::Client),
    is("nats: timeout", Class::IoTimeout),
    is("slow consumer", Class::IoTimeout).by(Op::Write).side(Side::Client).with(&[
        "nats",
        "detected",
        "write deadline",
    ]),
    is("Client parser ERROR", Class::ProtocolMismatch).in_(Phase::Open).side(Side::Client),
    is("maximum payload exceeded", Class::MessageTooBig).last(),
    is("maximum payload violation", Class::MessageTooBig).last(),
    is("nats: invalid connection", Class::LocalUseAfterClose),
    harmless("Authorization Violation"),
    harmless("nats: no responders available"),
    harmless("Server is ready"),
    is("secure connection required", Class::ProtocolMismatch).in_(Phase::Tls),
    is("Client Closed", Class::EofCleanClose)
        .weighs(WORDS - 12)
        .with(&["client connection closed: client closed"]),
];
