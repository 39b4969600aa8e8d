//! Digests and checksums, as the three services want them written.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::text;

/// SHA-256 in lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    text::hex(&Sha256::digest(bytes))
}

/// MD5 in base64, as `Content-MD5` has it.
pub fn md5_base64(bytes: &[u8]) -> String {
    STANDARD.encode(Md5::digest(bytes))
}

/// MD5 in upper-case hexadecimal digits, as an `ETag` of OSS has it.
pub fn md5_hex_upper(bytes: &[u8]) -> String {
    text::hex(&Md5::digest(bytes)).to_uppercase()
}

/// HMAC-SHA256.
pub(crate) fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA1 in base64.
pub(crate) fn hmac_sha1_base64(key: &[u8], text: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The key of a V4 signature: of the secret, a date (`YYYYMMDD`), a region and a service.
pub(crate) fn v4_key(secret: &str, date: &str, region: &str, service: &str) -> Vec<u8> {
    [date, region, service, "aliyun_v4_request"]
        .iter()
        .fold(format!("aliyun_v4{secret}").into_bytes(), |key, part| hmac_sha256(&key, part.as_bytes()))
}

/// CRC-64 as OSS and Function Compute have it: ECMA-182 polynomial, reflected, all ones before
/// and after. They write it in decimal digits.
pub fn crc64(bytes: &[u8]) -> u64 {
    !bytes.iter().fold(!0, |crc: u64, byte| {
        let [low, ..] = crc.to_le_bytes();
        CRC64[usize::from(low ^ byte)] ^ (crc >> 8)
    })
}

/// CRC-8 as PlainBuffer has it, going on from `crc`: polynomial 7, not reflected, from zero.
pub fn crc8(crc: u8, bytes: &[u8]) -> u8 {
    bytes.iter().fold(crc, |crc, byte| CRC8[usize::from(crc ^ byte)])
}

const CRC64: [u64; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xC96C_5795_D787_0F42 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

const CRC8: [u8; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x80 != 0 { (crc << 1) ^ 7 } else { crc << 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_give_their_published_check_values() {
        assert_eq!(crc64(b"123456789"), 0x995D_C9BB_DF19_39FA);
        assert_eq!(crc8(0, b"123456789"), 0xF4);
        assert_eq!(md5_base64(b""), "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(md5_hex_upper(b""), "D41D8CD98F00B204E9800998ECF8427E");
    }
}
