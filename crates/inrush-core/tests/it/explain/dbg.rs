//! x
#[test]
fn dbg_texts() {
    let e = inrush_core::explain::Explainer::new();
    for t in std::fs::read_to_string("/tmp/dbg.txt").unwrap().lines() {
        let f = e.explain(t, None);
        println!("{:?} {:?} {:?} | {t}", f.class.map(|c| c.id()), f.phase, f.said);
    }
}
