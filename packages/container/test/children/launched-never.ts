export default async function run(): Promise<never> {
  setInterval(() => {}, 1000);
  return new Promise(() => {});
}
