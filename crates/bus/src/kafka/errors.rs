//! What Kafka's errors mean to a caller.

use ports::bus::BusError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What an error means, beside what was being done.
pub(super) fn error_of(doing: &str, problem: &KafkaError) -> BusError {
    let text = format!("{doing}: {problem}");
    match problem {
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) | KafkaError::Nul(_) => {
            BusError::Broken(text)
        }
        other => match code_of(other) {
            Some(
                Code::MessageSizeTooLarge
                | Code::InvalidMessageSize
                | Code::MessageBatchTooLarge
                | Code::InvalidRecord
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::InvalidTopic,
            ) => BusError::Rejected(text),
            Some(
                Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::TransactionalIdAuthorizationFailed
                | Code::SaslAuthenticationFailed
                | Code::Authentication
                | Code::UnsupportedSASLMechanism
                | Code::UnsupportedVersion
                | Code::UnsupportedFeature
                | Code::InvalidConfig
                | Code::InvalidReplicationFactor
                | Code::PolicyViolation,
            ) => BusError::Broken(text),
            _ => BusError::Unavailable(text),
        },
    }
}

fn code_of(problem: &KafkaError) -> Option<Code> {
    match problem {
        KafkaError::AdminOp(code) => Some(*code),
        other => other.rdkafka_error_code(),
    }
}

/// The verdict on making a client: what fails there is a setting.
pub(super) fn made<T>(client: Result<T, KafkaError>) -> Result<T, BusError> {
    client.map_err(|problem| BusError::Broken(format!("the Kafka settings: {problem}")))
}

/// Runs what blocks on a thread for that.
pub(super) async fn on_a_thread<T, F>(work: F) -> Result<T, BusError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, BusError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|problem| {
        Err(BusError::Unavailable(format!("the talk with Kafka was lost: {problem}")))
    })
}
