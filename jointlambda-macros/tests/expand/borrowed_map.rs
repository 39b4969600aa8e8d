const AWS: Cloud = Cloud::aws("ap-northeast-1");
const ALI: Cloud = Cloud::aliyun("cn-hangzhou");

#[workflow]
async fn borrowed_map(list: Vec<u64>, base: u64) -> (Vec<u64>, usize) {
    let sums = fan_out(&list, async |x| {
        let y = double(*x).await;
        y + base
    })
    .await;
    (sums, list.len())
}

#[function(on = AWS)]
async fn double(x: u64) -> u64 {
    2 * x
}

#[function(on = ALI, failover = [AWS], memory = 2048, timeout = "30s", retry(attempts = 3))]
async fn halve(x: u64) -> Result<u64> {
    Ok(x / 2)
}
