export default function run(): unknown {
  return { address: 5 };
}
