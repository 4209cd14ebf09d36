//! Misuse of the DMA layer on the screen: which rule, what its numbers are, and the two calls.

use report::Violation;
use screen::Field;
use verifier::Rule;

use super::Story;
use super::violation::CODE;
use crate::text::Text as FixedText;

const HEADLINE: &str = "The verifier saw the DMA layer misused: data or memory would have been lost. The machine was \
    stopped at that call.";

/// Tells the story of a misuse; `name` is the device's.
pub(super) fn with_story<R>(
    violation: &Violation<'_>,
    rule: Rule,
    name: &str,
    tell: impl FnOnce(&Story<'_>) -> R,
) -> R {
    let driver = violation.driver.as_deref().unwrap_or("none");
    let who = FixedText::<256>::of(&format_args!("{}  {name}, driver {driver}", violation.bdf.0));
    let [p2, p3, p4] = rule.parameters();
    let parameters = FixedText::<256>::of(&format_args!("2: {p2}; 3: {p3}; 4: {p4}"));
    let earlier = violation.other_site.as_deref().unwrap_or("-");
    let fields = [
        Field { label: "device", value: &who },
        Field { label: "rule", value: &rule },
        Field { label: "meaning", value: &rule.meaning() },
        Field { label: "parameters", value: &parameters },
        Field { label: "called at", value: &violation.site },
        Field { label: "against", value: &earlier },
    ];
    tell(&Story {
        code: CODE,
        parameters: [violation.p1, violation.p2, violation.p3, violation.p4].map(|parameter| parameter.0),
        headline: &HEADLINE,
        fields: &fields,
        fault: None,
        violation: Some(violation.clone()),
        detail: Some(rule.meaning()),
    })
}
