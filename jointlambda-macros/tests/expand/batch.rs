const AWS: Cloud = Cloud::aws("ap-northeast-1");

/// A batch function, called with one value.
#[workflow]
pub async fn batch(x: u64) -> u64 {
    let (a, b) = join!(double(x), async { double(x + 1).await });
    double(a + b).await
}

#[function(batch(size = 32, wait = "2s"))]
async fn double(items: Vec<u64>) -> Vec<u64> {
    items.iter().map(|x| 2 * x).collect()
}
