use super::*;

#[test]
fn every_embedded_country_is_read() {
    for code in Facts::embedded().codes() {
        assert_eq!(Facts::embedded().country(code).unwrap().code, code);
    }
}
