//! What `workflow!` refuses, and in which words: see `ui/README.md`.

#[test]
fn mistakes_are_refused_with_a_message_of_their_own() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/parse/*.rs");
    cases.compile_fail("ui/signature/*.rs");
    cases.compile_fail("ui/placement/*.rs");
    cases.compile_fail("ui/graph/*.rs");
    cases.compile_fail("ui/types/*.rs");
}
