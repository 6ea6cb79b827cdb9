//! Tmp bench.
fn main() {
    let rt = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let n: usize = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(10000);
    let slots: u32 = std::env::args().nth(3).and_then(|a| a.parse().ok()).unwrap_or(1024);
    let which = std::env::args().nth(1).unwrap();
    let f = rt
        .block_on(async {
            match which.as_str() {
                "submit" => sluicegate::boot::bench::submit::run(n, slots).await,
                "track" => {
                    sluicegate::boot::bench::tracking::run(n as u32, sluicegate::job::Millis(10000)).await
                }
                _ => sluicegate::boot::bench::admission::run(&[10, 10000, 1000000]).await,
            }
        })
        .unwrap();
    for x in f {
        println!("{:>60} {:.3} {}", x.name, x.value, x.unit);
    }
}
