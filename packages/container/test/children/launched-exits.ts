export default function run(): Promise<never> {
  process.exit(3);
}
