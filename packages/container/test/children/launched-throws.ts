export default function run(): never {
  throw new Error("no luck today");
}
