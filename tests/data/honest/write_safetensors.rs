// Writes two files into the current folder. Its only dependency is the crate safetensors 0.8.
use safetensors::tensor::{serialize_to_file, Dtype, TensorView};
use std::collections::HashMap;
fn main() {
    let f: Vec<u8> = (0..6).flat_map(|i| ((i as f32 - 2.0) / 8.0).to_le_bytes()).collect();
    let d: Vec<u8> = (0..4).flat_map(|i| ((i as f64 - 1.0) / 8.0).to_le_bytes()).collect();
    let l: Vec<u8> = (0..3i64).flat_map(|i| i.to_le_bytes()).collect();
    let b: Vec<u8> = vec![1, 0, 1];
    let tensors = vec![
        ("weight", TensorView::new(Dtype::F32, vec![2, 3], &f).unwrap()),
        ("double", TensorView::new(Dtype::F64, vec![4], &d).unwrap()),
        ("long", TensorView::new(Dtype::I64, vec![3], &l).unwrap()),
        ("flags", TensorView::new(Dtype::BOOL, vec![3], &b).unwrap()),
        ("scalar", TensorView::new(Dtype::F32, vec![], &f[..4]).unwrap()),
        ("empty", TensorView::new(Dtype::F32, vec![0, 3], &[]).unwrap()),
    ];
    let mut meta = HashMap::new();
    meta.insert("writer".to_string(), "rust \"größe\" \\".to_string());
    serialize_to_file(tensors.clone(), Some(meta), std::path::Path::new("rust0.8.metadata.safetensors")).unwrap();
    serialize_to_file(tensors, None, std::path::Path::new("rust0.8.plain.safetensors")).unwrap();
}
