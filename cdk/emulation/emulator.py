# Starts moto's server with stand-ins for the resource types that it cannot create, so that our stacks deploy against it.
# A stand-in keeps nothing but a name; the table becomes a real one of moto's. Between stacks it knows what moto does not: outputs that are read
# without an export, exports that come with an update, that an export in use cannot go, and that what is retained stays.
import sys
from secrets import token_hex
from urllib.parse import urlparse

from moto.core.common_models import CloudFormationModel
from moto.cloudformation import parsing, responses
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, cloudformation_backends
from moto.dynamodb.models.table import Table
from moto.secretsmanager.models import secretsmanager_backends

UNKNOWN = (
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Stage",
    "AWS::ApplicationAutoScaling::",
    "AWS::CloudWatch::Dashboard",
    # What moto has of these neither tells a template its attributes nor goes away in the right order.
    "AWS::EC2::",
    "AWS::ECS::Service",
    "AWS::ElasticLoadBalancingV2::",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
)


class StandIn(CloudFormationModel):
    __module__ = "moto.cloudformation.stand_in"  # moto reads the service's name from it

    def __init__(self, name):
        # Templates take ARNs apart at their slashes.
        self.name = name if name.startswith("arn:") else f"{name}/a/b/c"

    @property
    def physical_resource_id(self):
        return self.name

    @staticmethod
    def cloudformation_name_type():
        return ""

    @staticmethod
    def cloudformation_type():
        return "StatefulMcp::StandIn"

    @classmethod
    def has_cfn_attr(cls, attr):
        return True

    def get_cfn_attribute(self, attribute_name):
        return f"{self.name}.{attribute_name}"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name):
        pass

    def delete(self, account_id, region_name):
        pass


class GlobalTable(Table):
    """A global table of one region is a table."""

    __module__ = "moto.dynamodb.global_table"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        properties = cloudformation_json["Properties"]
        table = {**properties, **properties["Replicas"][0]}
        return Table.create_from_cloudformation_json(
            resource_name, {"Properties": table}, account_id, region_name, **kwargs
        )


class Secret(StandIn):
    """A secret with a random value, as the template asks for."""

    __module__ = "moto.secretsmanager.secret"

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        length = cloudformation_json["Properties"]["GenerateSecretString"]["PasswordLength"]
        backend = secretsmanager_backends[account_id][region_name]
        secret = backend.create_managed_secret(
            service_name="cloudformation", secret_id=resource_name, secret_string=token_hex(length)[:length]
        )
        return cls(secret.arn)


known = parsing.resource_class_from_type


def resource_class(resource_type):
    if resource_type == "AWS::DynamoDB::GlobalTable":
        return GlobalTable
    if resource_type == "AWS::SecretsManager::Secret":
        return Secret
    return StandIn if resource_type.startswith(UNKNOWN) else known(resource_type)


parsing.resource_class_from_type = resource_class

clean_json = parsing.clean_json


def clean_json_with_outputs(resource_json, resources_map):
    if not isinstance(resource_json, dict) or "Fn::GetStackOutput" not in resource_json:
        return clean_json(resource_json, resources_map)
    wanted = resource_json["Fn::GetStackOutput"]
    backend = cloudformation_backends[resources_map["AWS::AccountId"]][resources_map["AWS::Region"]]
    stack = backend.get_stack(wanted["StackName"])
    return next(output["OutputValue"] for output in stack.outputs if output["OutputKey"] == wanted["OutputName"])


parsing.clean_json = clean_json_with_outputs

update_stack = CloudFormationBackend.update_stack


def update_stack_with_exports(self, name, template, role_arn, parameters, tags):
    stack = self.get_stack(name)
    outputs = stack.parse_template(template).get("Outputs", {}).values()
    kept = {clean_json(output["Export"]["Name"], stack.resource_map) for output in outputs if "Export" in output}
    for export in stack.exports:
        if export.name in kept:
            continue
        users = [other.name for other in self.stacks.values() if f'"Fn::ImportValue": "{export.name}"' in other.template]
        if users:
            raise ValidationError(name, f"Cannot delete export {export.name} as it is in use by {', '.join(users)}")
        del self.exports[export.name]
    # The previous value of a parameter that was never given is its default.
    given = [each for each in parameters if "ParameterValue" in each or each["ParameterKey"] in stack.parameters]
    update_stack(self, name, template, role_arn, given, tags)
    self.exports.update({export.name: export for export in stack.exports})
    return stack


CloudFormationBackend.update_stack = update_stack_with_exports

delete_resource = parsing.ResourceMap._delete_resource


def delete_unless_retained(self, resource, resource_json):
    if resource_json.get("DeletionPolicy") != "Retain":
        delete_resource(self, resource, resource_json)


parsing.ResourceMap._delete_resource = delete_unless_retained

read_template = responses.get_stack_from_s3_url


def read_template_from_here(url, **where):
    """The CLI names the template's place with the server's own address, which moto does not take for S3's."""
    return read_template("https://s3.amazonaws.com" + urlparse(url).path, **where)


responses.get_stack_from_s3_url = read_template_from_here

if __name__ == "__main__":
    from moto.server import main

    main(["-H", "127.0.0.1", "-p", sys.argv[1]])
