//! The tables of the group `flowcontrol.apiserver.k8s.io`.

use serde_json::Value;

use super::Table;
use super::age;
use super::column::{AGE, Column, NAME};
use super::fields::Fields;
use super::format::NONE;

pub(super) static FLOW_SCHEMAS: Table = Table {
    columns: &[
        NAME,
        Column::text("PriorityLevel", "Priority level of its requests."),
        Column::text("MatchingPrecedence", "Rank; the lowest that matches counts."),
        Column::text("DistinguisherMethod", "What divides requests into flows."),
        AGE,
        Column::text("MissingPL", "Whether the priority level is missing."),
    ],
    cells: |schema, now| {
        let spec = schema.get("spec");
        cells![
            schema.name(),
            spec.at("priorityLevelConfiguration.name").text(),
            spec.get("matchingPrecedence").number(),
            spec.at("distinguisherMethod.type").text_or(NONE),
            age::since(schema.created(), now),
            schema.condition("Dangling").unwrap_or("?"),
        ]
    },
};

pub(super) static PRIORITY_LEVELS: Table = Table {
    columns: &[
        NAME,
        Column::text("Type", "Whether its requests are limited."),
        Column::text("NominalConcurrencyShares", "Share of the requests that run at once."),
        Column::text("Queues", "How many queues requests wait in."),
        Column::text("HandSize", "How many of them a flow may use."),
        Column::text("QueueLengthLimit", "How many requests a queue holds."),
        AGE,
    ],
    cells: |level, now| {
        let spec = level.get("spec");
        let queuing = spec.at("limited.limitResponse.queuing");
        cells![
            level.name(),
            spec.get("type").text(),
            number_or_none(shares(spec)),
            number_or_none(queuing.get("queues")),
            number_or_none(queuing.get("handSize")),
            number_or_none(queuing.get("queueLengthLimit")),
            age::since(level.created(), now),
        ]
    },
};

/// A level has the field that its type names.
fn shares(spec: Fields<'_>) -> Fields<'_> {
    let limited = spec.at("limited.nominalConcurrencyShares");
    limited.present().unwrap_or_else(|| spec.at("exempt.nominalConcurrencyShares"))
}

fn number_or_none(field: Fields<'_>) -> Value {
    field.present().map_or_else(|| NONE.into(), |number| number.number().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::row;
    use super::*;

    #[test]
    fn a_schema_names_its_level() {
        let schema = json!({
            "spec": {"priorityLevelConfiguration": {"name": "l"}, "matchingPrecedence": 1000,
                     "distinguisherMethod": {"type": "ByUser"}},
            "status": {"conditions": [{"type": "Dangling", "status": "False"}]},
        });
        assert_eq!(row(&FLOW_SCHEMAS, schema), json!(["a", "l", 1000, "ByUser", "42m", "False"]));
        assert_eq!(row(&FLOW_SCHEMAS, json!({})), json!(["a", "", 0, "<none>", "42m", "?"]));
    }

    #[test]
    fn a_level_shows_its_queues() {
        let level = json!({"spec": {"type": "Limited", "limited": {
            "nominalConcurrencyShares": 30,
            "limitResponse": {"type": "Queue", "queuing": {"queues": 64, "handSize": 6, "queueLengthLimit": 50}},
        }}});
        assert_eq!(row(&PRIORITY_LEVELS, level), json!(["a", "Limited", 30, 64, 6, 50, "42m"]));
        let level = json!({"spec": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0}}});
        assert_eq!(
            row(&PRIORITY_LEVELS, level),
            json!(["a", "Exempt", 0, "<none>", "<none>", "<none>", "42m"])
        );
    }
}
