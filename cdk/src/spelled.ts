// How cdk-nag spells a resource in the id of a finding.

/** Of an ARN as a stack resolves it. */
export function spelled(arn: Readonly<Record<string, unknown>>): string {
  const [reference] = Object.values(arn);
  if ("Fn::GetAtt" in arn) return `<${(reference as string[]).join(".")}>`;
  if ("Fn::GetStackOutput" in arn) return JSON.stringify(arn);
  const [, parts] = reference as [string, (string | { Ref: string })[]];
  return parts.map((part) => (typeof part === "string" ? part : `<${part.Ref}>`)).join("");
}
