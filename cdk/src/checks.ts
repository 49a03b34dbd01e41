// Small checks that constructs share.
import { Validations } from "aws-cdk-lib";
import type { IConstruct } from "constructs";

/** @throws TypeError that names the property, its value and what is allowed. */
export function requireWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new TypeError(`${name} is ${value}; give a whole number from ${min} to ${max}`);
}

/** Says why a rule of the AWS Solutions pack of cdk-nag does not apply here. */
export function acknowledge(construct: IConstruct, reasons: Readonly<Record<string, string>>): void {
  for (const [rule, reason] of Object.entries(reasons)) {
    Validations.of(construct).acknowledge({ id: `AwsSolutions-${rule}`, reason });
  }
}
