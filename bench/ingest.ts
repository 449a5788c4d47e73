export async function benchIngest(args: string[]): Promise<void> {
  console.log(args);
}
