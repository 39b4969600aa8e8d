const AWS: Cloud = Cloud::aws("ap-northeast-1");
const ALI: Cloud = Cloud::aliyun("cn-hangzhou");

#[workflow]
async fn map(list: Vec<u64>) -> Vec<u64> {
    fan_out(list, async |x| {
        let y = double(x).await;
        double(y).await
    })
    .await
}

#[function(on = AWS)]
async fn double(x: u64) -> u64 {
    2 * x
}

#[function(on = ALI, failover = [AWS], memory = 2048, timeout = "30s", retry(attempts = 3))]
async fn halve(x: u64) -> Result<u64> {
    Ok(x / 2)
}
