const AWS: Cloud = Cloud::aws("ap-northeast-1");
const ALI: Cloud = Cloud::aliyun("cn-hangzhou");

#[workflow]
async fn first(list: Vec<u64>, k: usize) -> Result<u64> {
    let halves = first_ok(k, list, async |x| {
        let y = halve(x).await?;
        halve(y).await
    })
    .await?;
    race!(halve(halves[0]), async { there(halves[0]).await })
}

#[function(on = AWS)]
async fn halve(x: u64) -> Result<u64> {
    Ok(x / 2)
}

#[function(on = ALI)]
async fn there(x: u64) -> Result<u64> {
    Ok(x)
}
