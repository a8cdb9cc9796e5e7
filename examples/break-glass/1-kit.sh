nhi emergency kit > emergency.kit
